"""Every format that Sluice writes to a disk, a topic, a store or a database, by its name.

docs/formats.md has a row for each; tests hold that the page, this list and the code agree. The rule
for changing one is there too.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from sluice.environment import Kind


class Format(NamedTuple):
    """A format.

    Attributes:
        name: as in docs/formats.md.
        code: where its current number is, "module:NAME", a number or a Kind.
        oldest: the oldest number that is read.
        file: in a model version, its file.
    """

    name: str
    code: str
    oldest: int = 1
    file: str = ""

    @property
    def number(self) -> int:
        """What is written now."""
        module, _, name = self.code.partition(":")
        found = getattr(import_module(module), name)
        return found.format if isinstance(found, Kind) else int(found)


FORMATS = (
    # A model version
    Format("manifest", "sluice.models.manifest:FORMAT", 1, "manifest.json"),
    Format("transform", "sluice.transform.transform:FORMAT", 1, "transform.json"),
    Format("record schema", "sluice.training.describe:FORMAT", 1, "schema.json"),
    Format("reference", "sluice.training.reference:FORMAT", 1, "reference.json"),
    Format("golden requests", "sluice.models.golden:FORMAT", 1, "golden.json"),
    Format("replay rows", "sluice.replay:FORMAT", 1, "replay.json"),
    Format("signature", "sluice.models.signature:FORMAT", 1, "signature.json"),
    Format("calibration", "sluice.calibration:FORMAT", 1, "calibration.json"),
    Format("imported server", "sluice.models.formats.served:FORMAT", 1, "server.json"),
    Format("trees", "sluice.models.formats.trees:FORMAT"),
    Format("item-item model", "sluice.models.formats.item_item:FORMAT"),
    # Beside the versions
    Format("aliases and history", "sluice.models.aliases:FORMAT"),
    Format("canary's run", "sluice.canary.run:FORMAT"),
    Format("loop's memory", "sluice.loop.run:FORMAT"),
    # Streams
    Format("log", "sluice.streams.layout:KIND"),
    Format("V3IO record", "sluice.streams.v3io_record:_FORMAT"),
    Format("V3IO lease", "sluice.streams.v3io_leases:_FORMAT"),
    # What goes over a topic, or from step to step
    Format("message", "sluice.codec:FORMAT", 2),
    Format("passage", "sluice.streaming.passage:FORMAT"),
    Format("answer", "sluice.streaming.desk:ANSWER_FORMAT"),
    Format("dead letter", "sluice.streaming.dead_letter:FORMAT"),
    Format("replayed letter", "sluice.streaming.letters:FORMAT"),
    Format("monitoring event", "sluice.monitoring.event:FORMAT"),
    Format("feedback", "sluice.protocol.feedback:FORMAT"),
    Format("shadow comparison", "sluice.routing.comparer:FORMAT"),
    Format("error event", "sluice.graph.context:ERROR_FORMAT"),
    Format("notice", "sluice.alerts.notice:FORMAT"),
    Format("result of a step", "sluice.protocol.line:FORMAT"),
    # Stores
    Format("feature store", "sluice.features.embedded:KIND"),
    Format("feature store, shared", "sluice.features.shelves:FORMAT"),
    Format("ledger of rewards", "sluice.routing.ledger:FORMAT"),
    Format("snapshot of a correction", "sluice.correction.snapshot:FORMAT"),
    # State of a project
    Format("canary's counts", "sluice.canary.state:KIND"),
    Format("monitor's windows", "sluice.windows.state:FORMAT"),
    Format("alerts' state", "sluice.alerts.state:FORMAT"),
    Format("audit trail", "sluice.audit.line:FORMAT"),
    Format("batch database", "sluice.batch.tables:FORMAT"),
    Format("batch parts", "sluice.batch.parts:FORMAT"),
    Format("release", "sluice.deploy.release:FORMAT"),
    Format("deployment", "sluice.deploy.place:FORMAT"),
    Format("keeper and its traffic", "sluice.deploy.keeper:FORMAT"),
    Format("forgetting under way", "sluice.forget.forget:FORMAT"),
    Format("replay's state", "sluice.playback.state:FORMAT"),
    Format("replay's scores", "sluice.playback.scores:FORMAT"),
    Format("simulation's state", "sluice.simulation.state:FORMAT"),
    Format("simulation's report", "sluice.simulation.report:FORMAT"),
    Format("sweep's results", "sluice.tuning.results:FORMAT"),
    Format("sweep's choice", "sluice.tuning.run:FORMAT"),
    # Between the processes of one installation
    Format("metrics' slots", "sluice.metrics.slots:FORMAT"),
    Format("shadow's ring", "sluice.routing.ring:FORMAT"),
    Format("dashboard's JSON", "sluice.dashboard.document:FORMAT"),
    # What people write
    Format("graph.yaml", "sluice.parameters:FORMAT"),
    Format("features.yaml", "sluice.features.definitions:FORMAT"),
    Format("servers.yaml", "sluice.models.servers:FORMAT"),
)
