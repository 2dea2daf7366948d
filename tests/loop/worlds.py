"""Loops for tests: the shop, what watches and trains for it, and time that is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sluice.alerts.incident import Incident
from sluice.errors import GateFailed, SluiceError, StoreUnavailable
from sluice.loop.advance import Hands, Stages
from sluice.loop.declared import Retrain
from sluice.loop.loop import Loop
from sluice.loop.trainer import Order, Trained
from sluice.models.manifest import Draft
from sluice.models.store import ModelStore
from tests.tiny import Tiny

GRAPH = "binary"
DAY = 86_400.0
NOW = 1_706_745_600.0  # 2024-02-01T00:00:00Z


def incident(id: str = "a", version: str = "2", **changes: Any) -> Incident:
    """An open one, of the detector of calibration."""
    found = Incident(
        id=id, condition="change", kind="change", severity="ticket", group="change",
        subject="calibration", version=version, segment="", state="open", since=NOW - 14 * DAY,
        opened=NOW, updated=NOW, value=0.05, usual=0.0, against="before", why="off by .05",
        evidence={"labels": 900},
    )  # fmt: skip
    return msgspec.structs.replace(found, **changes)


class Watched:
    """Sees the incidents that a test gives it."""

    def __init__(self, *incidents: Incident) -> None:
        self.incidents: Sequence[Incident] = incidents

    def look(self, now: float) -> Sequence[Incident]:
        return self.incidents


class Taught:
    """Logs a copy of version 1 for each candidate, and says that it does as a test wants.

    Args:
        models: where to.
        losses: by candidate; `before` is that of all versions that there were.
        refuse: why the gate refuses every version; empty: it lets them pass.
    """

    def __init__(
        self, models: ModelStore, losses: Mapping[str, float] | None = None, refuse: str = ""
    ) -> None:
        self.models, self.refuse = models, refuse
        self.losses = losses or {"trees": 0.4, "linear": 0.45, "before": 0.5}
        self.orders: list[Order] = []
        self.fits: list[str] = []
        self.error: SluiceError | None = None

    def train(self, order: Order) -> Trained:
        self.orders.append(order)
        if self.error is not None:
            raise self.error
        made = self._tagged(order.tag)
        for name in order.candidates or [n for n in self.losses if n != "before"]:
            if name not in made:
                self.fits.append(f"{order.tag} {name}")
                made[name] = self._log(order.tag, name)
        scores = {v: {"log_loss": self.losses[name]} for name, v in made.items()}
        scores |= {v: {"log_loss": self.losses["before"]} for v in order.against}
        best = min(made, key=lambda name: self.losses[name])
        return Trained(made[best], "log_loss", made, scores, 1000, 200, order.since)

    def check(self, version: str) -> Any:
        if self.refuse:
            raise GateFailed("parity", self.refuse)
        return {"rows": 500}

    def _log(self, tag: str, name: str) -> str:
        stored = self.models.read(GRAPH, "1")
        told = msgspec.structs.asdict(stored.manifest)
        fields = {field: told[field] for field in Draft.__struct_fields__}
        fields["training"] = {"estimator": name, "rows": 1000, "run": tag}
        return self.models.log(GRAPH, Draft(**fields), stored.files)

    def _tagged(self, tag: str) -> dict[str, str]:
        known = [self.models.manifest(GRAPH, v) for v in self.models.versions(GRAPH)]
        return {m.training["estimator"]: m.version for m in known if m.training.get("run") == tag}


class World:
    """A loop of the shop's graph; its champion is version 2."""

    def __init__(
        self, shop: Tiny, declared: Mapping[str, Any] | None = None, canary: Stages | None = None
    ) -> None:
        self.models: ModelStore = shop.models
        self.retrain = Retrain.parse(declared or {}, "graph.yaml")
        self.watched, self.taught = Watched(), Taught(self.models)
        self.canary = canary

    @property
    def loop(self) -> Loop:
        """One that has just been started."""
        hands = Hands(self.watched, self.taught, self.canary)
        return Loop(GRAPH, self.retrain, self.models, hands)

    @property
    def champion(self) -> str:
        return self.models.aliases(GRAPH)["champion"].version

    def state(self, now: float = NOW) -> str:
        """That of the latest run after a step."""
        run = self.loop.step(now).run
        return run.state if run else ""


def away(*_: Any) -> StoreUnavailable:
    return StoreUnavailable("away")
