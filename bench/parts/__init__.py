"""The parts of the bench, in their order. A new figure comes from a function here."""

from bench.part import Part
from bench.parts.batch import batch
from bench.parts.density import density
from bench.parts.emitting import emitting
from bench.parts.features import features
from bench.parts.graph import graph
from bench.parts.http import http
from bench.parts.monitor import monitor
from bench.parts.routing import routing
from bench.parts.rules import rules
from bench.parts.scaling import scaling
from bench.parts.shadow import shadow
from bench.parts.start import start
from bench.parts.stream import stream

PARTS: tuple[Part, ...] = (
    start, graph, rules, routing, shadow, emitting, http, features, stream, monitor, batch, scaling,
    density,
)  # fmt: skip
