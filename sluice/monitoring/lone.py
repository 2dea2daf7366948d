"""The event of a request with one record that has one row: what most requests are.

Equal to what EventBuilder makes of its Observation, to the byte, at a fraction of the cost. It
needs the compiled part (_event.c); where an installation has none, the builder makes these too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from sluice.compiled import EVENT, compiled
from sluice.message import Choice
from sluice.message import Message as Request
from sluice.monitoring.event import FORMAT, EventBuilder, encoded
from sluice.streams import Message

NESTED = frozenset((dict, list, tuple))
_NOTHING: dict[str, Any] = {}


def is_lone(message: Request) -> bool:
    """Whether it is such a request, and all that its event tells of is in its message and reply."""
    return (
        len(message.records) == len(message.rows) == 1
        and not message.members
        and not message.figures
        and "error" not in message.outputs[0]
    )


class Lone:
    """Makes such events with the parts of a builder that redacts nothing; one at a time.

    What is encoded once stands until records, outputs, choices or timings look different.
    """

    def __init__(self, builder: EventBuilder, make: Callable[..., Any]) -> None:
        self._builder, self._make, self._own = builder, make, len(builder.source.inputs)
        self._like: tuple[Any, ...] = ()
        self._write: Callable[..., bytes | None]
        self._choice: Choice | None = None
        self._chosen = b"", b""
        self._timings: tuple[dict[str, float], bytes] = {}, b"{}"

    @classmethod
    def of(cls, builder: EventBuilder) -> Lone | None:
        """None where the installation has no compiled part, or something is redacted."""
        make = compiled("writer", EVENT)
        return None if make is None or builder.redacts else cls(builder, make)

    def __call__(
        self, message: Request, reply: Mapping[str, Any], duration_us: int, percentage: float
    ) -> Message:
        """The event of a request that `is_lone`. Raises as the builder does."""
        [record], [output], [values] = message.records, message.outputs, message.values
        [defaults], [choice] = message.defaults, message.route
        if (message.columns, percentage, *record) != self._like:
            self._lay_out(message, reply, percentage)
        if choice is not self._choice:
            self._choose(choice, reply)
        if message.timings != self._timings[0]:  # requests that share a message have the same
            self._timings = message.timings.copy(), encoded(message.timings)
        stalest = reply["stalest"]
        when, time = self._builder.utc(message.when)
        parts = (
            record, output, values,
            {stalest["entity"]: stalest["age_s"]} if stalest else _NOTHING,
            {name: {why: 1} for name, why in defaults.items()} if defaults else _NOTHING,
            message.id, when, *self._chosen, self._timings[1], duration_us,
        )  # fmt: skip
        value = self._write(*parts)
        if value is None:
            self._lay_out(message, reply, percentage)
            value = self._write(*parts)
        assert value is not None  # it was laid out for this very output
        return self._builder.message(reply["model"], value, message.id, message.headers, time)

    def _lay_out(self, message: Request, reply: Mapping[str, Any], percentage: float) -> None:
        """Keep what events have in common that look like this one."""
        builder, [record], [output] = self._builder, message.records, message.outputs
        plain = [n for n, v in output.items() if type(v) not in NESTED and n != "explain"]
        names, schema = builder.inputs.layout(tuple(record))
        answered, answers = builder.outputs.layout(tuple(plain))
        looked_up = b""
        if len(message.columns) > self._own:
            looked_up = builder.features.lone(message.columns, self._own)
        self._write = self._make(
            orjson.dumps, orjson.OPT_SERIALIZE_NUMPY, builder.head(reply["model"]),
            encoded(percentage), tuple(names), schema, tuple(answered), answers, looked_up,
            self._own,
        )  # fmt: skip
        self._like = message.columns, percentage, *record

    def _choose(self, choice: Choice, reply: Mapping[str, Any]) -> None:
        """Keep what events say of a choice."""
        version, route = reply["version"], reply["route"]
        block = {
            "format": FORMAT, "version": version,
            "route": route, "propensity": route["propensity"],
        }  # fmt: skip
        model = {"model_name": reply["model"], "model_version": version}
        self._choice, self._chosen = choice, (encoded(block)[1:-1], encoded(model)[1:-1])
