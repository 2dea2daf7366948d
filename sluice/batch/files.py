"""Batch from file to file: records from CSV or Parquet, answers as Parquet.

    run(service, "flights.csv", "answers.parquet")
    run(service, "s3://bucket/flights.parquet", "s3://bucket/answers.parquet")

The output has a row for each of the input's, in its order: the column that names the records (or
`row`, their number from 0), the outputs, `error`, `version` and `defaults` (JSON text). It appears
whole, when all is done. Until then the answers are parts in a folder (parts.py) beside it, or in
the state's folder for an output elsewhere; a job that was killed goes on after the last part when
it is run again on the same input, and answers no chunk twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sluice.batch.frames import ArrowFrame
from sluice.batch.parts import Parts
from sluice.batch.places import Place
from sluice.batch.readers import Reader, texts_of
from sluice.batch.scored import ERROR
from sluice.batch.scoring import score
from sluice.durable import sync
from sluice.errors import DeclarationError, SluiceError
from sluice.fault import halved, reason_of
from sluice.service import Service

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 50_000
ROW, OWN = "row", "id"
_MOST_RAISING = 100
log = logging.getLogger("sluice")


@dataclass(frozen=True)
class Counts:
    """Rows of the output, how many of them have an error, and how many an earlier run had done."""

    rows: int = 0
    failed: int = 0
    resumed: int = 0


def run(
    service: Service,
    input: str,
    output: str,
    *,
    chunk: int = CHUNK,
    key: str | None = None,
    resume: bool = True,
    progress: bool = True,
    endpoint: str = "",
    state: Path | None = None,
) -> Counts:
    """Answer the records of a file.

    Args:
        service: a loaded graph.
        input: .csv, .csv.gz or .parquet; a path, or s3://bucket/key.
        output: .parquet; a path, or s3://bucket/key. What is there is replaced at the end.
        chunk: rows that go through the graph at once.
        key: the column that names the records and is kept; default `id`, if the file has it.
        resume: go on where an earlier run on the same input ended; else begin anew.
        progress: show a bar on standard error.
        endpoint: address of the S3 API; empty: what boto3's own configuration says.
        state: a folder for parts whose output is elsewhere; default the current one.

    A record that does not fit has an error in its row, and no outputs.

    Raises DeclarationError for a file or column that is not there, or a damaged file; SluiceError
    when another job writes the same output; StoreUnavailable or Unavailable when something is
    away: run it again, and it goes on.
    """
    source, target = Place(input, endpoint), Place(output, endpoint)
    if chunk < 1:
        raise SluiceError(f"chunk {chunk}: expected at least 1")
    if not output.endswith(".parquet"):
        raise DeclarationError(output, "", "the output is Parquet", "name it .parquet")
    identity = source.identity()
    about = {
        "graph": service.name,
        "input": input,
        **identity._asdict(),
        "chunk": chunk,
        "key": key,
    }
    parts = Parts(_folder(target, state), about, resume)
    try:
        return _Job(service, source, parts, chunk).run(key, progress, target)
    finally:
        parts.close()


def _folder(target: Place, state: Path | None) -> Path:
    if not target.remote:
        return target.path.with_name(target.path.name + ".parts")
    digest = blake2b(target.url.encode(), digest_size=8).hexdigest()
    return (state or Path()) / f"batch-{digest}.parts"


class _Job:
    def __init__(self, service: Service, source: Place, parts: Parts, chunk: int) -> None:
        self._service, self._source, self._parts, self._chunk = service, source, parts, chunk

    def run(self, key: str | None, progress: bool, target: Place) -> Counts:
        from tqdm import tqdm

        schema = self._service.application.definitions.record
        file = self._source.fetch(self._parts.folder)
        reader = Reader(file, self._source.url, schema, OWN if key is None else key)
        if key and not reader.key:
            raise DeclarationError(self._source.url, f"column {key}", "is missing")
        number, counts = 0, Counts()
        with tqdm(total=reader.rows, unit=" rows", desc="batch", disable=not progress) as bar:
            for done in self._chunks(reader):
                number, counts = done
                bar.update(counts.rows - bar.n)
        target.put(self._parts.merge(number))
        if not target.remote:
            sync(target.path.parent)
        self._parts.remove()
        return counts

    def _chunks(self, reader: Reader) -> Iterator[tuple[int, Counts]]:
        """Answer what has no part yet; how many chunks and rows were done, after each."""
        rows = failed = resumed = 0
        for number, table in enumerate(reader.chunks(self._chunk)):
            done = self._parts.done(number)
            if done is None:
                answers = self._answers(table, reader, rows)
                errors = len(table) - answers[ERROR].null_count
                self._parts.write(number, answers, errors)
            else:
                resumed, errors = resumed + len(table), done
            rows, failed = rows + len(table), failed + errors
            yield number + 1, Counts(rows, failed, resumed)

    def _answers(self, table: pa.Table, reader: Reader, first: int) -> pa.Table:
        import pyarrow as pa

        name = reader.key or ROW
        keys = table[reader.key] if reader.key else pa.array(np.arange(first, first + len(table)))
        ids = texts_of(table[reader.key], first) if reader.key else None

        def answer(rows: slice) -> pa.Table:
            frame = ArrowFrame(table.slice(rows.start, rows.stop - rows.start), reader.cells)
            return score(self._service, frame, ids=None if ids is None else ids[rows]).table()

        answers = answer_apart(answer, len(table))
        if name in answers.column_names:
            raise SluiceError(f"column {name} of {self._source} is the name of an output too")
        return answers.add_column(0, name, keys)


def answer_apart(answer: Callable[[slice], pa.Table], rows: int) -> pa.Table:
    """The answers to so many rows; one that makes the graph raise is found by halving, and fails.

    Raises what is not the rows' fault: something that is away, a version that is refused. When a
    hundred rows raise, the graph is broken, and the last one's error is raised.
    """
    import pyarrow as pa

    raised: list[Exception] = []

    def failed(error: Exception) -> pa.Table:
        raised.append(error)
        log.error("a record made the graph raise", exc_info=error)
        if len(raised) == _MOST_RAISING:
            raise SluiceError(f"{_MOST_RAISING} records raise, the last {error!r}") from error
        return pa.table({ERROR: [reason_of(error)]})

    tables = halved(answer, slice(0, rows), failed)
    return pa.concat_tables(tables, promote_options="permissive")
