"""Enrich: check each record, and look its features up as of its time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sluice.application import application
from sluice.candidates import spread
from sluice.errors import RequestError
from sluice.fields import Fields
from sluice.message import Message
from sluice.protocol.apart import StepSurface
from sluice.schema import Refused
from sluice.step import Step

if TYPE_CHECKING:
    from sluice.batch.block import Block
    from sluice.batch.enrich import Enriching


class Enrich(Step):
    """Turns records into rows: their fields, typed, and the features that live versions need.

    A record that breaks the schema fails alone. A look-up that misses, or is older than its
    maximum age, takes the declared default, and the message says so. In a ranking graph a record
    has a row per candidate (sluice/features/candidates.py).
    """

    many = True

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        self._application = application(self.context)
        definitions = self._application.definitions
        self._schema, self._as_of = definitions.record, definitions.as_of
        self._places = {name: i for i, name in enumerate(self._schema.names)}
        self._candidates, self._undated = definitions.candidates, definitions.undated
        arrays = any(field.shape for field in self._schema.fields)
        self.tables = self._candidates is None and not arrays
        self._table: Enriching | None = None
        self._application.live()

    def do(self, body: Any) -> Message:
        message = Message.of(body)
        message.ended = time.perf_counter()  # it may have waited
        self._enrich(message)
        message.lap(self.name)
        return message

    def _enrich(self, message: Message) -> None:
        if not message.records:
            raise RequestError("expected at least one record, found an empty list")
        live = message.live = self._application.live()
        given = self._read(message)
        if message.single and message.errors:
            raise message.errors[0]
        moments = message.as_of = self._moments(message)
        message.ages = live.lookup.look_up(message.values, moments, message.defaults)
        message.columns = live.columns
        if self._candidates is not None:
            spread(message, self._candidates, given)

    def _read(self, message: Message) -> list[list[str] | None]:
        """Check the records; the candidates that the good ones bring, in a ranking graph."""
        message.values, message.defaults, refused = self._schema.rows(message.records)
        message.rows, message.errors = list(range(len(message.records))), {}
        if refused:
            self._refuse(message, refused)
        if self._candidates is None:
            return []
        given, refused = self._candidates.all_given(message.records, message.rows)
        if refused:
            good = [place for place, row in enumerate(message.rows) if row not in refused]
            message.values = [message.values[place] for place in good]
            message.defaults = [message.defaults[place] for place in good]
            self._refuse(message, refused)
        return given

    def _refuse(self, message: Message, refused: Refused) -> None:
        """Records that are not answered, and why."""
        message.rows = [row for row in message.rows if row not in refused]
        for index, error in refused.items():
            error.record = index
            vars(error)["failed_step"] = self.name
        message.errors.update(refused)

    def _moments(self, message: Message) -> list[float]:
        """What the look-ups of each row are as of."""
        as_of, undated = self._as_of, self._undated
        times = message.times() if as_of is None or undated else []
        if as_of is None:
            return [times[record] for record in message.rows]
        places = self._places
        moments = [as_of(Fields(places, values)) for values in message.values]
        if not undated:
            return moments
        there = zip(moments, message.rows, strict=True)
        return [times[row] if moment != moment else moment for moment, row in there]

    def do_table(self, block: Block) -> Block:
        """`do` for many records at once, by column."""
        from sluice.batch.enrich import Enriching

        if self._table is None:
            self._table = Enriching(self._application.definitions, self._application.features)
        self._table(block, self._application.live())
        for error in block.errors.values():
            vars(error).setdefault("failed_step", self.name)
        block.lap(self.name)
        return block


def init_context(context: Any) -> None:
    """Called once per worker by Nuclio, and by the local host."""
    context.user_data.surface = StepSurface.open(Enrich, "enrich", context)


def handler(context: Any, event: Any) -> Any:
    """Records in, a message out."""
    return context.user_data.surface.handle(context, event)
