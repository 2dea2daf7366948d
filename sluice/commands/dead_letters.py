"""sluice dead-letters list|show|replay GRAPH: requests of a stream that could not be answered."""

from __future__ import annotations

import argparse
import base64
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import SluiceError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.streaming.dead_letter import DeadLetter
    from sluice.streaming.letters import DeadLetters

_WIDTH = 80  # characters of a reason in a table


def add_to(groups: Any) -> None:
    """Declare the commands."""
    text = "requests of a stream that could not be answered"
    group = groups.add_parser("dead-letters", help=text)
    commands = group.add_subparsers(required=True, metavar="COMMAND")
    parser = _add(commands, "list", list_letters, "what there is, and why")
    parser.add_argument("--limit", type=int, default=100, metavar="N", help="default: 100")
    parser = _add(commands, "show", show, "all that is known of one, with its bytes, as JSON")
    parser.add_argument("id", help="as list names it, or the request's id")
    text = "put requests back on their topic; one that was put back before is left"
    parser = _add(commands, "replay", replay, text)
    parser.add_argument("id", nargs="*", help="as list names it, or the request's id")
    parser.add_argument("--all", action="store_true", help="all that the filters leave")


def _add(commands: Any, name: str, function: Any, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    parser.add_argument("--stream", metavar="URL", default="", help="default: the setting stream")
    if name != "show":
        parser.add_argument("--reason", metavar="TEXT", help="only those whose reason has it")
        parser.add_argument("--status", type=int, help="only those with this HTTP status")
        parser.add_argument("--step", help="only those that failed in this step")
    parser.set_defaults(command=function)
    json_option(parser)
    return parser


def list_letters(options: argparse.Namespace) -> None:
    """A line per dead letter, the last of them; then how many there are by reason."""
    last: deque[DeadLetter] = deque(maxlen=max(0, options.limit))
    reasons: Counter[tuple[int, str]] = Counter()
    with _open(options) as letters:
        replayed = letters.replayed()
        for letter in filter(_filter(options), letters.all()):
            last.append(letter)
            reasons[letter.status, letter.step] += 1
    if options.json:
        as_json([_described(letter, replayed) for letter in last])
        return
    if last:
        head = ["id", "time", "status", "step", "tries", "replayed", "request", "reason"]
        table([_row(letter, replayed) for letter in last], head)
    left = reasons.total() - len(last)
    more = f", the last {len(last)} are shown (--limit)" if left else ""
    say(f"{reasons.total()} dead letters{more}")
    for (status, step), count in reasons.most_common():
        say(f"  {count} with status {status}{f' in step {step}' if step else ''}")


def show(options: argparse.Namespace) -> None:
    """Everything of one; of several with one request's id, of each."""
    with _open(options) as letters:
        replayed = letters.replayed()
        found = letters.find(options.id)
    for letter in found:
        as_json({**_described(letter, replayed), "headers": letter.headers, **_body(letter.value)})


def replay(options: argparse.Namespace) -> int:
    """Put back those that are named, or all that the filters leave; status 1 where one is gone."""
    if bool(options.id) == options.all:
        raise SluiceError("name the ids of dead letters, or say --all")
    with _open(options) as letters:
        chosen = letters.all() if options.all else _named(letters, options.id)
        count = letters.replay(filter(_filter(options), chosen))
    if options.json:
        as_json({"replayed": count, "gone": letters.gone})
        return 1 if letters.gone else 0
    for id in letters.gone:
        say(f"{id} is redacted, and its request is not on its topic any more")
    if count or not letters.gone:
        say(f"{count} put back" if count else "none put back: there is none that was not before")
    return 1 if letters.gone else 0


@contextmanager
def _open(options: argparse.Namespace) -> Iterator[DeadLetters]:
    from sluice.streaming.letters import DeadLetters
    from sluice.streaming.open import read_parameters, stream_url
    from sluice.streaming.topics import Topics
    from sluice.streams import open_stream

    project = Project.find()
    parameters = read_parameters(project, options.graph)
    stream = open_stream(stream_url(project, options.stream))
    try:
        yield DeadLetters(stream, Topics.of(project.name, options.graph, parameters))
    finally:
        stream.close()


def _filter(options: argparse.Namespace) -> Any:
    def chosen(letter: DeadLetter) -> bool:
        return (
            (options.reason is None or options.reason in letter.reason)
            and options.status in (None, letter.status)
            and options.step in (None, letter.step)
        )

    return chosen


def _named(letters: DeadLetters, names: list[str]) -> list[DeadLetter]:
    return [letter for name in names for letter in letters.find(name)]


def _row(letter: DeadLetter, replayed: set[str]) -> list[Any]:
    reason = " ".join(letter.reason.split())
    short = reason if len(reason) <= _WIDTH else reason[: _WIDTH - 3] + "..."
    again = "yes" if letter.id in replayed else "no"
    return [
        letter.short, letter.time, letter.status, letter.step, letter.attempts, again,
        letter.request, short,
    ]  # fmt: skip


def _described(letter: DeadLetter, replayed: set[str]) -> dict[str, Any]:
    told = letter._asdict()
    del told["value"], told["headers"]
    return {"id": letter.short, "source": told.pop("id"), **told, "replayed": letter.id in replayed}


def _body(value: bytes) -> dict[str, str]:
    """A request's bytes as text where they are, else in base64."""
    try:
        return {"value": value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value).decode()}
