"""Windows as a monitor keeps them, written without events."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sluice.alerts.incident import Incident
from sluice.alerts.watch import Watch
from sluice.environment import acquire, release
from sluice.windows import state
from sluice.windows.cell import Cell, units
from sluice.windows.grid import SCORES, TIMES
from sluice.windows.open import folder
from sluice.windows.views import Key
from tests.tiny import Tiny
from tests.windows.world import BEGAN

HOUR, DAY = 3600, 86_400


class Kept:
    """The windows of the graph binary of a project, from BEGAN on."""

    def __init__(self, shop: Tiny, alerts: str = "", graph: str = "binary") -> None:
        self.shop, self.graph = shop, graph
        if alerts:
            self.declare(alerts)
        file = state.state_file(folder(shop.project), graph)
        self._environment = acquire(file, state.KIND)
        self._environment.write(state.make, HOUR, float(DAY))

    def declare(self, alerts: str) -> None:
        """Put alerts in place of those that are declared."""
        file = self.shop.root / "graphs" / self.graph / "graph.yaml"
        lines = file.read_text("utf-8").splitlines()
        lines = [line for line in lines if not line.startswith("      alerts:")]
        place = lines.index("      format: 1")
        lines.insert(place + 1, f"      alerts: {alerts}")
        file.write_text("\n".join(lines) + "\n", "utf-8")

    def put(self, hour: int, cell: Cell, version: str = "2") -> None:
        """Add to an hour's window."""
        key = Key(int(BEGAN) + hour * HOUR, version, "")
        self._environment.write(state.merge_cell, state.WINDOW, key, cell)

    def close(self) -> None:
        release(self._environment)

    def __enter__(self) -> Kept:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def look(self, hour: int) -> list[Incident]:
        """What the watch says at the end of an hour."""
        with Watch.open(self.shop.project, self.graph) as watch:
            return watch.look(BEGAN + (hour + 1) * HOUR)

    def incidents(self) -> list[tuple[str, str, float, float | None]]:
        """Condition, subject, and the hours of opening and closing, of all incidents."""
        with Watch.open(self.shop.project, self.graph) as watch:
            return [
                (i.condition, i.subject, hours(i.opened), i.closed and hours(i.closed))
                for i in watch.incidents()
            ]


def hours(when: float) -> float:
    """Hours since the beginning."""
    return (when - BEGAN) / HOUR


def asked(
    requests: int,
    *,
    statuses: Mapping[str, int] | None = None,
    refused: int = 0,
    steps: Mapping[str, float] | None = None,
    defaults: Mapping[tuple[str, str], int] | None = None,
    routes: Mapping[str, int] | None = None,
) -> Cell:
    """What so many requests of a record each came to; `steps` are microseconds."""
    cell, failed = Cell(), sum((statuses or {}).values())
    cell.count(("requests",), np.array([requests], np.int64))
    cell.count(("records",), np.array([requests - refused - failed, refused + failed], np.int64))
    for status, n in (statuses or {}).items():
        cell.bump(("status", status), 0, 1, n)
    for name, time in {"requests": 2000.0, **(steps or {})}.items():
        counts = np.zeros(len(TIMES), np.int64)
        counts[TIMES.place(np.array([time]))[0]] = requests
        cell.count(("latency",) if name == "requests" else ("step", name), counts)
    for place, n in (defaults or {}).items():
        cell.bump(("default", *place), 0, 1, n)
    for route, n in (routes or {}).items():
        cell.bump(("route", "canary", route), 0, 1, n)
    return cell


def labelled(p: npt.ArrayLike, labels: npt.ArrayLike) -> Cell:
    """What labels of two classes say of probabilities; and the records."""
    p, truth = np.asarray(p, np.float64), np.asarray(labels, np.int64)
    cell, loss = asked(len(p)), -np.log(np.where(truth == 1, p, 1 - p))
    cell.count(("labels",), np.array([len(p), ((p >= 0.5) == truth).sum()], np.int64))
    places = 2 * np.minimum((p * SCORES).astype(np.int64), SCORES - 1) + truth
    cell.count(("judged",), np.bincount(places, minlength=2 * SCORES).astype(np.int64))
    for name, values in {"log_loss": loss, "brier": (p - truth) ** 2, "score": p}.items():
        cell.add(name, units(float(values.sum())))
    return cell
