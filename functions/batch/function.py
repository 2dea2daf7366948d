"""Batch: the pending records of a database through a graph, an MLRun job and a plain function."""

# MLRun evaluates annotations that are strings, and knows only builtins: no annotations from
# __future__ in this file.

from functools import reduce
from typing import Any

from sluice.batch.database import open_database
from sluice.batch.job import CHUNK, PATIENCE_S, Counts, Job, scoring_of
from sluice.batch.records import summary
from sluice.project import Project
from sluice.service import Service


def batch(
    context: Any = None,
    graph: str = "",
    database: str = "",
    chunk: int = CHUNK,
    patience: float = PATIENCE_S,
) -> dict[str, Any]:
    """Answer what is pending, until nothing is.

    Args:
        context: MLRun's, or None.
        graph: its name; default the setting `graph`.
        database: a URL; default the setting `database`.
        chunk: most records at once.
        patience: how long the database or a store may be away, seconds.

    Returns how many records were done, failed and taken over by other jobs, and why records that
    are in the database failed. Raises StoreUnavailable, Unavailable, and what `sluice.load` does.
    """
    project = Project.find()
    graph = graph or project.settings.graph
    records = open_database(project, graph, database)
    try:
        with Service.open(project, graph) as service:
            job = Job(scoring_of(service), records, chunk=chunk, patience_s=patience)
            counts = reduce(lambda _, so_far: so_far, job.run(), Counts())
        reasons = {reason.reason: reason.records for reason in summary(records).reasons}
    finally:
        records.close()
    return _logged(context, {**vars(counts), "reasons": reasons})


def _logged(context: Any, result: dict[str, Any]) -> dict[str, Any]:
    if context is None:
        return result
    for name, value in result.items():
        context.log_result(name, value)
    return {}  # what a job returns, MLRun would log a second time, as `return`
