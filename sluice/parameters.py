"""Sluice's own settings of one graph: spec.parameters.sluice in its graph.yaml.

parameters:
  sluice:
    format: 1
    graph: flight-delay                                 # its name, as in metadata.name
    features: serving_graphs/flight_delay/features.yaml # from the project's folder
    training: serving_graphs.flight_delay.training.training
    playback: serving_graphs.flight_delay.playback.playback # what `sluice replay` plays
    redact: {tailnum: hash}                             # of monitoring events
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.declaration import Section

FORMAT = 1


@dataclass(frozen=True)
class Parameters:
    """Where a graph's parts are."""

    graph: str
    features: str
    training: str | None = None
    playback: str | None = None
    redact: Mapping[str, str] | None = None

    @classmethod
    def parse(cls, data: Any, file: object) -> Parameters:
        """The parameters of a graph. Raises DeclarationError naming the field."""
        section = Section(data, file, "spec.parameters.sluice")
        version = section.take("format", int)
        if version != FORMAT:
            raise section.error("format", f"{version} is not read by this Sluice", "it reads 1")
        parameters = cls(
            graph=section.take("graph", str),
            features=section.take("features", str),
            training=section.take("training", str, None),
            playback=section.take("playback", str, None),
            redact=_redact(section),
        )
        section.done()
        return parameters


def _redact(section: Section) -> Mapping[str, str]:
    redact = section.section("redact", {})
    return {str(n): redact.choose(str(n), ("drop", "hash")) for n in redact.names}
