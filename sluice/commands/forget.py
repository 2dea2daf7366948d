"""sluice forget GRAPH FIELD=VALUE…: one subject's records go out of store, log and databases."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say
from sluice.errors import DeclarationError, SluiceError, nearest
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.forget.forget import Forgotten
    from sluice.forget.subject import Subject
    from sluice.monitoring.redaction import Redaction


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "delete one subject's records, and look whether any is left; docs/governance.md"
    parser = groups.add_parser("forget", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "a field of its records and the subject's value; of several, records with all of them"
    parser.add_argument("field", nargs="*", metavar="FIELD=VALUE", help=text)
    text = "a request of the subject's, by its id; may be given again"
    parser.add_argument("--request", action="append", default=[], metavar="ID", help=text)
    parser.add_argument("--dry-run", action="store_true", help="only say what there is")
    parser.set_defaults(command=forget_subject)
    json_option(parser)


def forget_subject(options: argparse.Namespace) -> int:
    """What was deleted where, and what is left; status 1 where something is."""
    from sluice.audit.act import act
    from sluice.forget.forget import forget
    from sluice.forget.open import opened

    project = Project.find()
    subject, redaction = _subject(project, options)
    state = Path(project.path("", ""))
    known = opened(project, options.graph, subject.fields)
    with known as (places, fixed), _bar(options) as progress:
        if options.dry_run:
            done = forget(subject, places, state, dry=True, progress=progress)
        else:
            with act(project, "forget", graph=options.graph, fields=list(subject.fields)) as told:
                told["subject"] = _hashed(subject, redaction)
                done = forget(subject, places, state, progress=progress)
                told |= {**done._asdict(), "kept": fixed}
    _tell(options, done, fixed)
    return 0 if options.dry_run or (done.done and not fixed) else 1


def _subject(project: Project, options: argparse.Namespace) -> tuple[Subject, Redaction]:
    from sluice.features.definitions import read_definitions
    from sluice.forget.subject import Subject
    from sluice.monitoring.open import open_redaction
    from sluice.parameters import Parameters
    from sluice.service import read_spec

    spec = read_spec(project, options.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    names = read_definitions(project.root / parameters.features, project.root).record.names
    fields = {}
    for text in options.field:
        name, found, value = text.partition("=")
        if not found or not value:
            raise SluiceError(f"expected FIELD=VALUE, found {text!r}")
        if name not in names:
            raise DeclarationError("record", "", f"no field {name!r}", nearest(name, names))
        fields[name] = value
    if not fields and not options.request:
        raise SluiceError("say whom: FIELD=VALUE, or --request ID")
    redaction = open_redaction(project, parameters)
    subject = Subject(fields, redaction)
    for id in options.request:
        subject.note(id)
    return subject, redaction


def _hashed(subject: Subject, redaction: Redaction) -> str | None:
    """The subject by a hash that only who has the salt can try out; None without a salt."""
    return redaction.named(subject.fields) if subject.fields else None


@contextmanager
def _bar(options: argparse.Namespace) -> Iterator[Callable[[str, int], object]]:
    """Progress on standard error."""
    from tqdm import tqdm

    now = ""
    with tqdm(unit="", unit_scale=True, disable=options.json) as bar:

        def progress(step: str, more: int) -> None:
            nonlocal now
            if step != now:
                now = step
                bar.set_description(step)
            bar.update(more)

        yield progress


def _tell(options: argparse.Namespace, done: Forgotten, fixed: list[str]) -> None:
    if options.json:
        as_json({**done._asdict(), "kept": fixed})
        return
    say(f"{options.graph}: {done.requests} requests")
    for name, count in done.deleted.items():
        say(f"  deleted {count} records of {name}")
    for name, count in done.left.items():
        say(f"  {'there are' if options.dry_run else 'left are'} {count} records of {name}")
    for hint in done.hints:
        say(f"    {hint}")
    for file in done.files:
        say(f"  left: the value is in {file}")
    for url in fixed:
        say(f"  kept: no record can be taken out of {url}; its retention is the server's")
    if not options.dry_run and done.done and not fixed:
        say("nothing is left")
