"""Which pattern: a pure function of what is asked and what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.advice.measured import Measured
from sluice.advice.needs import Needs
from sluice.advice.option import Option, batch, http, stream


@dataclass(frozen=True)
class Advice:
    """The patterns, the one that is chosen first.

    Attributes:
        chosen: None where none of them does.
        options: all three.
        reasons: for each option, why it is chosen or not.
    """

    needs: Needs
    measured: Measured
    chosen: Option | None
    options: tuple[Option, ...]
    reasons: tuple[str, ...]


def advise(needs: Needs, measured: Measured) -> Advice:
    """The pattern to serve by, how large, and what the others would be.

    Whoever waits is answered over HTTP. Otherwise it is the batch if the deadline leaves time for
    it, else the stream, else HTTP: the later an answer may come, the less has to be kept ready.
    """
    options = (batch(needs, measured), stream(needs, measured), http(needs, measured))
    chosen = next((option for option in options if not option.barred), None)
    ordered = sorted(options, key=lambda option: option is not chosen)
    reasons = [_reason(needs, option, chosen) for option in ordered]
    return Advice(needs, measured, chosen, tuple(ordered), tuple(reasons))


def _reason(needs: Needs, option: Option, chosen: Option | None) -> str:
    if option.barred or chosen is None:
        return option.barred
    if option is not chosen:
        return f"nobody waits, and {_INSTEAD[chosen.pattern, option.pattern]}"
    if needs.waits:
        return "the caller waits for its answer"
    return _WHY[option.pattern]


_WHY = {
    "batch": "nobody waits, and the deadline leaves time to collect records",
    "stream": "nobody waits, and a buffer takes the peaks",
    "HTTP": "nothing else is as fast as it has to be",
}
_INSTEAD = {
    ("batch", "stream"): "there is time to collect records: no worker has to be kept ready",
    ("batch", "HTTP"): "there is time to collect records: no worker has to be kept ready",
    ("stream", "HTTP"): "a buffer takes the peaks, which HTTP must be large enough for",
}
