"""Postprocess: from scores to the reply, with the declared business rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.application import application
from sluice.errors import SluiceError
from sluice.fields import Fields
from sluice.message import Message
from sluice.observe import observe, observe_failure
from sluice.parts import share, split
from sluice.protocol.apart import StepSurface
from sluice.reply import UNKNOWN, output, replies, reply
from sluice.rules import OutputRule, Row, output_rules
from sluice.rules.lists import Lists, fit
from sluice.rules.make import open_rules, start_rules
from sluice.rules.single import apply
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.batch.block import Block
    from sluice.batch.scored import Scored
    from sluice.features.definitions import Definitions


class Postprocess(Step):
    """Makes each row's output, applies the rules in their order, and answers plain JSON.

    class_args: `rules`, a list of mappings with a `rule` and its parameters; `items`, where a
    record's answer is a ranked list of its rows (sluice/rules/rule.py).

    Requests that share a message have an answer each: its reply, or the RecordError of one that is
    a single record and breaks the schema.
    """

    many = True

    def __init__(
        self,
        context: Any = None,
        name: str | None = None,
        rules: Sequence[Mapping[str, Any]] = (),
        items: Mapping[str, Any] | None = None,
        **class_args: Any,
    ) -> None:
        super().__init__(context, name, **class_args)
        where = f"{self.name}.class_args"
        self.lists = None if items is None else Lists(items, rules, where)
        self.rules: list[OutputRule] = [] if self.lists else output_rules(rules, where)
        self.tables = self.lists is None
        self._places: tuple[Sequence[str], dict[str, int]] = (), {}

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self._application = application(self.context)
        self.check(self._application.definitions)
        start_rules(self.rules, self._application, f"{self.name}.class_args")

    def check(self, definitions: Definitions) -> None:
        """Raise DeclarationError where rules and lists do not fit what features.yaml declares."""
        where = f"{self.name}.class_args"
        fit(self.lists, definitions, where)
        if self.lists is not None:
            self.lists.open(definitions)
        else:
            open_rules(self.rules, definitions, where)

    def do(self, body: Message) -> dict[str, Any] | list[dict[str, Any] | SluiceError]:
        message = body
        if message.live is None:
            message.live = self._application.live()
        self._answer(message)
        if message.parts:
            return self._many(message)
        answer = reply(message, self._application.graph)
        message.lap(self.name)
        observe(self._application, [(message, answer)])
        return answer

    def _many(self, message: Message) -> list[dict[str, Any] | SluiceError]:
        """No event goes out before all are answered: what fails here is asked again."""
        parts = split(message)
        answers = replies(parts, self._application.graph)
        message.lap(self.name)
        share(message)
        answered: list[tuple[Message, dict[str, Any]]] = []
        for part, answer in zip(parts, answers, strict=True):
            if isinstance(answer, SluiceError):
                observe_failure(self._application, part, answer, answer.status)
            else:
                answered.append((part, answer))
        observe(self._application, answered)
        return answers

    def do_table(self, block: Block) -> Scored:
        """`do` for many records at once, by column."""
        from sluice.batch.answer import answer_table
        from sluice.batch.events import observe_table

        scored = answer_table(block, self.rules)
        block.lap(self.name)
        if block.observed:
            observe_table(self._application, block, scored)
        return scored

    def _answer(self, message: Message) -> None:
        _report_unknown(message)
        outputs: list[Any] = [None] * len(message.records)
        if self.lists is not None:
            explained = message.explained()
            for record, rows in _by_record(message).items():
                outputs[record] = self.lists.answer(message, rows, explained[record])
        else:
            self._singles(message, outputs)
        for record, error in message.errors.items():
            outputs[record] = {"error": str(error)}
        message.outputs = outputs

    def _singles(self, message: Message, outputs: list[Any]) -> None:
        columns, places = self._places  # both at once: other threads change them
        if message.columns is not columns:
            places = {name: at for at, name in enumerate(message.columns)}
            self._places = message.columns, places
        scores = [of_row.tolist() for of_row in message.scores]
        times, explained = message.times(), message.explained()
        choice = None
        for row, record in enumerate(message.rows):
            if message.route[row] is not choice:
                choice = message.route[row]
                version = message.live.answering(choice.version)
            defaults = message.defaults[row]
            made = outputs[record] = output(scores[row], defaults, version)
            if self.rules and "error" not in made:
                fields = Fields(places, message.values[row])
                beside = Row(version, fields, defaults, times[record], message.as_of[row])
                apply(self.rules, made, beside, explained[record])


def _by_record(message: Message) -> dict[int, list[int]]:
    """The rows of each record; a record with none of them has an empty list."""
    rows: dict[int, list[int]] = {record: [] for record in range(len(message.records))}
    for row, record in enumerate(message.rows):
        rows[record].append(row)
    return rows


def _report_unknown(message: Message) -> None:
    """A category is unknown to the version that answers the row, and may be known to another."""
    for digest, unknown in message.unknown.items():
        for row, name in unknown:
            if digest in message.live.answering(message.route[row].version).digests:
                message.defaults[row][name] = UNKNOWN


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Postprocess, "postprocess", context)


def handler(context: Any, event: Any) -> Any:
    """A message in, the reply out."""
    return context.user_data.surface.handle(context, event)
