"""The events of requests with one record that has one row: what most requests are.

Equal to what EventBuilder makes of their Observations, to the byte, at a fraction of the cost. It
needs the compiled part (_event.c); where an installation has none, the builder makes these too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import orjson

from sluice.compiled import EVENT, compiled
from sluice.message import Choice
from sluice.message import Message as Request
from sluice.monitoring.event import FORMAT, EventBuilder, encoded, traced
from sluice.streams import Message

NESTED = frozenset((dict, list, tuple))
Answered = tuple[Request, Mapping[str, Any], int]  # with its reply, and how long it took, µs
_YEAR_9999 = 253_370_764_800
_make: Callable[[tuple[Any, ...]], Message] = partial(tuple.__new__, Message)


def is_lone(message: Request) -> bool:
    """Whether it is such a request, and all that its event tells of is in its message and reply."""
    return (
        len(message.records) == len(message.rows) == 1
        and not message.members
        and not message.figures
        and "error" not in message.outputs[0]
        and 0 <= message.when < _YEAR_9999
    )


class Lone:
    """Makes such events with the parts of a builder that redacts nothing; some at a time.

    What is encoded once stands until records, outputs, choices or timings look different.
    """

    def __init__(self, builder: EventBuilder, make: Callable[..., Any]) -> None:
        self._builder, self._make, self._own = builder, make, len(builder.source.inputs)
        self._like: tuple[Sequence[str], float] | None = None
        self._write: Callable[..., None]
        self._choice: Choice | None = None
        self._chosen = b"", b""
        self._timings: tuple[dict[str, float], bytes] = {}, b"{}"

    @classmethod
    def of(cls, builder: EventBuilder) -> Lone | None:
        """None where the installation has no compiled part, something is redacted, or an output's
        columns are declared: it writes them as they come."""
        make = compiled("writer", EVENT)
        otherwise = builder.redacts or builder.source.outputs
        return None if make is None or otherwise else cls(builder, make)

    def __call__(self, answered: Sequence[Answered], percentage: float) -> list[Message]:
        """The events of requests that are `is_lone`, and share columns and timings.

        Raises as the builder does.
        """
        owns = [self._own_parts(*one) for one in answered]
        first, *_ = answered[0]
        if first.timings != self._timings[0]:
            self._timings = first.timings.copy(), encoded(first.timings)
        if self._like is None or first.columns is not self._like[0] or percentage != self._like[1]:
            self._lay_out(answered[0], percentage)
        events: list[Message] = []
        self._write(owns, self._timings[1], events)
        while (done := len(events)) < len(owns):
            self._lay_out(answered[done], percentage)
            self._write(owns, self._timings[1], events)
            assert len(events) > done  # it was laid out for this very record and output
        for (message, _, _), event in zip(answered, events, strict=True):
            if message.headers:
                cast(dict[str, str], event.headers).update(traced(message.headers))
        return events

    def _own_parts(self, message: Request, reply: Mapping[str, Any], us: int) -> tuple[Any, ...]:
        """What is one event's own."""
        [choice] = message.route
        if choice is not self._choice:
            self._choose(choice, reply)
        return (
            message.records[0], message.outputs[0], message.values[0], reply["stalest"],
            message.defaults[0], message.id, self._chosen, message.when, us,
        )  # fmt: skip

    def _lay_out(self, like: Answered, percentage: float) -> None:
        """Keep what events have in common that look like that of this one."""
        self._like = None
        message, reply, _ = like
        builder, [record], [output] = self._builder, message.records, message.outputs
        plain = [n for n, v in output.items() if type(v) not in NESTED and n != "explain"]
        names, schema = builder.inputs.layout(tuple(record))
        _, answers = builder.outputs.layout(tuple(plain))
        looked_up = b""
        if len(message.columns) > self._own:
            looked_up = builder.features.lone(message.columns, self._own)
        head, headers = builder.place(reply["model"])
        self._write = self._make(
            orjson.dumps, orjson.OPT_SERIALIZE_NUMPY, headers, _make, head, encoded(percentage),
            tuple(record), tuple(names), schema, tuple(plain), answers, looked_up, self._own,
        )  # fmt: skip
        self._like = message.columns, percentage

    def _choose(self, choice: Choice, reply: Mapping[str, Any]) -> None:
        """Keep what events say of a choice."""
        version, route = reply["version"], reply["route"]
        block = {
            "format": FORMAT, "version": version,
            "route": route, "propensity": route["propensity"],
        }  # fmt: skip
        model = {"model_name": reply["model"], "model_version": version}
        self._choice, self._chosen = choice, (encoded(block)[1:-1], encoded(model)[1:-1])
