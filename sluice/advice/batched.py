"""The batch pattern measured: tables scored, and a job on SQLite. Run in a process of its own."""

from __future__ import annotations

import itertools
import os
import time
from importlib.util import find_spec

from sluice.advice.measured import Batched
from sluice.advice.processes import memory_mb
from sluice.advice.subject import Records, Subject
from sluice.errors import SluiceError
from sluice.service import Service

_MOST = 20_000  # rows at once, as of a file
_CHUNK = 2000  # of a database
_FEWEST = 10


def measure(subject: Subject, seconds: float) -> Batched:
    """Score tables, each twice as long as the one before, then work a database off.

    seconds: about how long it takes, apart from the loading.
    """
    with Service.open(subject.project, subject.graph) as service:
        service.application.live()
        start_s = time.process_time()
        cpu_s = _tables(service, subject.records, seconds / 2)
        database_s = None
        if find_spec("sqlalchemy"):
            rows = max(_FEWEST, min(2 * _CHUNK, int(seconds / 4 / cpu_s)))
            database_s = _database(subject, service, rows)
        return Batched(cpu_s, start_s, database_s, memory_mb(os.getpid()))


def _rounds(records: Records, rows: int) -> Records:
    return list(itertools.islice(itertools.cycle(records), rows))


def _tables(service: Service, records: Records, seconds: float) -> float:
    """Processor time of a row, in the longest table for which there is time."""
    from sluice.batch.scoring import score

    until, rows = time.monotonic() + seconds, _FEWEST
    score(service, _rounds(records, rows))  # what loads at first use is loaded
    while True:
        frame, began, cpu = _rounds(records, rows), time.monotonic(), time.process_time()
        failed = [error for error in score(service, frame).errors if error is not None]
        if failed:
            raise SluiceError(f"measuring the batch: a record of the version: {failed[0]}")
        row_s = (time.process_time() - cpu) / rows
        now = time.monotonic()
        if rows >= _MOST or now + 2 * (now - began) > until:
            return row_s
        rows = min(2 * rows, _MOST)


def _database(subject: Subject, service: Service, rows: int) -> float:
    """Processor time of a record, from the pending ones to the predictions."""
    from sluice.batch.database import Database
    from sluice.batch.job import Job, scoring_of
    from sluice.batch.records import Entry, submit

    url = f"sqlite:///{subject.folder}/batch.db"
    database = Database(url, subject.project.name, subject.graph)
    records = enumerate(_rounds(subject.records, rows))
    try:
        submit(database, [Entry(f"r{place}", record) for place, record in records])
        began = time.process_time()
        *_, counts = Job(scoring_of(service), database, chunk=_CHUNK).run()
        return (time.process_time() - began) / (counts.done + counts.failed)
    finally:
        database.close()
