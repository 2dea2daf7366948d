"""Batch: records of a database or a file through a graph, an MLRun job and a plain function."""

# MLRun evaluates annotations that are strings, and knows only builtins: no annotations from
# __future__ in this file.

from functools import reduce
from typing import Any

from sluice.batch.database import Database, open_database
from sluice.batch.job import CHUNK, PATIENCE_S, Counts, Job, scoring_of
from sluice.batch.records import summary
from sluice.mlrun_jobs import logged
from sluice.project import Project
from sluice.service import Service


def batch(
    context: Any = None,
    graph: str = "",
    *,
    database: str = "",
    input: str = "",
    output: str = "",
    chunk: int = 0,
    patience: float = PATIENCE_S,
) -> dict[str, Any]:
    """Answer what is pending in a database, until nothing is; or the records of a file.

    Args:
        context: MLRun's, or None.
        graph: its name; default the setting `graph`.
        database: a URL; default the setting `database`.
        input, output: files, in place of a database: docs/batch.md says which.
        chunk: most records at once; default 2000 of a database, 20000 of a file.
        patience: how long the database or a store may be away, seconds.

    Returns how many records were done, failed and taken over by other jobs, and why records that
    are in the database failed; of a file how many rows there are, how many failed, and how many
    an earlier run had done. Raises StoreUnavailable, Unavailable, and what `sluice.load` does.
    """
    project = Project.find()
    with Service.open(project, graph) as service:
        if input or output:
            result = _file(project, service, input, output, chunk)
        else:
            records = open_database(project, service.name, database)
            result = _database(service, records, chunk, patience)
    return logged(context, result)


def _file(
    project: Project, service: Service, input: str, output: str, chunk: int
) -> dict[str, Any]:
    from sluice.batch import files

    counts = files.run(
        service,
        input,
        output,
        chunk=chunk or files.CHUNK,
        endpoint=project.settings.s3_endpoint,
        state=project.root / project.settings.state,
    )
    return vars(counts)


def _database(service: Service, records: Database, chunk: int, patience: float) -> dict[str, Any]:
    try:
        scoring, keep = scoring_of(service), not service.application.redaction
        job = Job(scoring, records, chunk=chunk or CHUNK, patience_s=patience, keep=keep)
        counts = reduce(lambda _, so_far: so_far, job.run(), Counts())
        reasons = {reason.reason: reason.records for reason in summary(records).reasons}
    finally:
        records.close()
    return {**vars(counts), "reasons": reasons}
