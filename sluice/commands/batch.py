"""sluice batch GRAPH: records of a database or a file through a graph, and what became of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say
from sluice.commands.signals import handled_by
from sluice.errors import SluiceError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.batch.database import Database
    from sluice.batch.job import Counts, Job


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "answer the pending records of a database, or the records of a file"
    parser = groups.add_parser("batch", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "run (the default); status: how many are where; retry: make failed ones pending again"
    parser.add_argument("action", nargs="?", choices=tuple(_ACTIONS), default="run", help=text)
    add = parser.add_argument
    add("--chunk", type=int, metavar="N", help="most records at once; default: 2000, files 50000")
    json_option(parser)
    _database_options(parser.add_argument_group("a database"))
    _file_options(parser.add_argument_group("a file"))
    parser.set_defaults(command=batch)


def _database_options(group: Any) -> None:
    add = group.add_argument
    add("--database", metavar="URL", default="", help="default: the setting database")
    add("--watch", type=float, metavar="SECONDS", help="go on, looking for new records so often")
    text = "how long the database or a store may be away; default: 300"
    add("--patience", type=float, metavar="SECONDS", help=text)
    text = "of retry: a record's id, may be given more than once; default: all that failed"
    add("--id", dest="ids", action="append", metavar="ID", help=text)


def _file_options(group: Any) -> None:
    add = group.add_argument
    add("--input", metavar="FILE", help="CSV or Parquet, a path or s3://bucket/key")
    add("--output", metavar="FILE", help="Parquet, a path or s3://bucket/key")
    add("--key", metavar="COLUMN", help="what names the records, and is kept; default: id")
    text = "begin anew, where a run that was stopped would go on"
    add("--from-start", action="store_true", help=text)


def batch(options: argparse.Namespace) -> int | None:
    """Run the action."""
    project = Project.find()
    project.graph_file(options.graph)
    if options.input or options.output:
        _run_file(options, project)
        return None
    # Here, so that other commands load none of it, and what is not installed is missed at once.
    from sluice.batch.database import open_database

    database = open_database(project, options.graph, options.database)
    try:
        status: int | None = _ACTIONS[options.action](options, project, database)
        return status
    finally:
        database.close()


def _run_file(options: argparse.Namespace, project: Project) -> None:
    from sluice.batch import files
    from sluice.service import Service

    if not (options.input and options.output):
        raise SluiceError("a file needs both --input and --output")
    if options.action != "run" or options.database or options.watch is not None:
        raise SluiceError("--input is of a file, which has no database, no --watch and no actions")
    with Service.open(project, options.graph) as service:
        counts = files.run(
            service,
            options.input,
            options.output,
            chunk=files.CHUNK if options.chunk is None else options.chunk,
            key=options.key,
            resume=not options.from_start,
            endpoint=project.settings.s3_endpoint,
            state=project.root / project.settings.state,
        )
    if options.json:
        as_json(vars(counts))
        return
    resumed = f", of which an earlier run had done {counts.resumed}" if counts.resumed else ""
    say(f"{options.output}: {counts.rows} rows, {counts.failed} failed{resumed}")


def _run(options: argparse.Namespace, project: Project, database: Database) -> int:
    from sluice.batch.job import CHUNK, PATIENCE_S, Job, Stop, scoring_of
    from sluice.service import Service

    if options.watch is not None and not 0 < options.watch < float("inf"):
        raise SluiceError(f"--watch {options.watch}: expected a number above 0")
    stop = Stop()
    chunk = CHUNK if options.chunk is None else options.chunk
    patience = PATIENCE_S if options.patience is None else options.patience
    with Service.open(project, options.graph) as service:
        scoring, keep = scoring_of(service), not service.application.redaction
        job = Job(scoring, database, chunk=chunk, patience_s=patience, stop=stop, keep=keep)
        with handled_by(stop):
            counts = _follow(job, database, options.watch)
    _tell(options, counts, stop.asked)
    return 130 if stop.asked and options.watch is None else 0


def _follow(job: Job, database: Database, watch_s: float | None) -> Counts:
    """Show how far a job is; what it did in the end."""
    from tqdm import tqdm

    from sluice.batch.job import Counts

    counts = Counts()
    total = job.waiting() if watch_s is None else None
    with tqdm(total=total, unit="rec", desc="batch") as bar:
        for counts in job.run(watch_s):
            bar.set_postfix_str(f"{counts.failed} failed", refresh=False)
            bar.update(counts.done + counts.failed - bar.n)
    return counts


def _tell(options: argparse.Namespace, counts: Counts, stopped: bool) -> None:
    if options.json:
        as_json({**vars(counts), "stopped": stopped})
        return
    taken = f", taken over by other jobs {counts.taken}" if counts.taken else ""
    say(f"{options.graph}: done {counts.done}, failed {counts.failed}{taken}")
    if counts.failed:
        say(f"why: sluice batch {options.graph} status")
    if stopped:
        say("stopped: the same command goes on from here")


def _status(options: argparse.Namespace, _: Project, database: Database) -> None:
    from sluice.batch.records import summary

    found = summary(database)
    if options.json:
        as_json({**found._asdict(), "reasons": [r._asdict() for r in found.reasons]})
        return
    counts = ", ".join(f"{name} {getattr(found, name)}" for name in found._fields[:-1])
    say(f"{options.graph}: {counts}")
    for reason, records, example in found.reasons:
        say(f"  {records} × {reason} (such as {example})")


def _retry(options: argparse.Namespace, _: Project, database: Database) -> None:
    from sluice.batch.records import retry

    count = retry(database, options.ids)
    if options.json:
        as_json({"pending": count})
    else:
        say(f"{options.graph}: pending again: {count}")


_ACTIONS = {"run": _run, "status": _status, "retry": _retry}
