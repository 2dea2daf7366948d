"""What one process counts: counters and histograms, by name and labels."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sluice.metrics.slots import Slots

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
AGES = (60, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 86400, 7 * 86400, 30 * 86400)
_FOLDER = "sluice-metrics-"
_PARENT = re.compile(rf"{_FOLDER}(\d+)-(\d*)")
_UNBOUND, _NO_ROOM = -1, -2
_NOWHERE: Any = ()
Labels = tuple[tuple[str, str], ...]


class Counter:
    """A number that grows, which Prometheus shows with `_total`."""

    __slots__ = ("_name", "_registry", "_slot", "_values")

    def __init__(self, registry: Registry, *name: Any) -> None:
        self._registry, self._name = registry, name
        self.begin()

    def begin(self) -> None:
        """Count in the process that counts next."""
        self._slot, self._values = _UNBOUND, _NOWHERE

    def add(self, by: float = 1.0) -> None:
        """Count."""
        slot = self._slot
        if slot < 0 and (slot := self._bind(1)) < 0:
            return
        self._values[slot] += by

    def _bind(self, count: int) -> int:
        """The first of this metric's slots, or less than zero where there is no room for it."""
        registry = self._registry
        if self._slot == _UNBOUND:
            slots = registry.slots()
            found = slots.add(count, *self._name)
            self._slot, self._values = _NO_ROOM if found is None else found, slots.values
        registry.left_out += self._slot == _NO_ROOM
        return self._slot


class Histogram(Counter):
    """Values by buckets, and their sum."""

    __slots__ = ("_buckets", "_last")

    def __init__(self, registry: Registry, *name: Any) -> None:
        super().__init__(registry, *name)
        self._buckets = name[-1]
        self._last = len(self._buckets) + 1  # a slot per bucket, one beyond the last, then the sum

    def observe(self, value: float, times: float = 1.0) -> None:
        """Count a value, or as many that are alike."""
        slot = self._slot
        if slot < 0 and (slot := self._bind(self._last + 1)) < 0:
            return
        values = self._values
        values[slot + bisect_left(self._buckets, value)] += times
        values[slot + self._last] += value * times

    def observe_all(self, observed: Sequence[float]) -> None:
        """Count some values."""
        slot = self._slot
        if slot < 0 and (slot := self._bind(self._last + 1)) < 0:
            return
        values, buckets = self._values, self._buckets
        for value in observed:
            values[slot + bisect_left(buckets, value)] += 1.0
        values[slot + self._last] += sum(observed)


class Registry:
    """Counts into a file of its own in `folder`; safe for one thread at a time.

    A metric that no longer fits (there is room for some thousand numbers) is not counted, and
    `left_out` says how often.

    Args:
        folder: where its file is, with those of other processes.
        part: tells the files of several registries of one process apart.
    """

    def __init__(self, folder: Path, part: str = "") -> None:
        self.folder, self._part = folder, part
        self._metrics: dict[tuple[str, Labels], Any] = {}
        self.begin()
        _registries.add(self)

    def begin(self) -> None:
        """Count from nothing, into a file of this process."""
        self.left_out = 0
        self._slots: Slots | None = None
        for metric in self._metrics.values():
            metric.begin()

    def counter(self, name: str, labels: Labels = ()) -> Counter:
        """The counter with this name and these labels: keep it where it is counted often."""
        found: Counter | None = self._metrics.get((name, labels))
        if found is None:
            found = self._metrics[name, labels] = Counter(self, name, "counter", labels)
        return found

    def histogram(
        self, name: str, labels: Labels = (), buckets: Sequence[float] = SECONDS
    ) -> Histogram:
        """The histogram with this name and these labels; `buckets` are its upper bounds."""
        found: Histogram | None = self._metrics.get((name, labels))
        if found is None:
            found = Histogram(self, name, "histogram", labels, list(buckets))
            self._metrics[name, labels] = found
        return found

    def count(self, name: str, labels: Labels = (), by: float = 1.0) -> None:
        """Add to a counter."""
        self.counter(name, labels).add(by)

    def observe(
        self, name: str, value: float, labels: Labels = (), buckets: Sequence[float] = SECONDS
    ) -> None:
        """Add a value to a histogram."""
        self.histogram(name, labels, buckets).observe(value)

    def slots(self) -> Slots:
        """This process's file."""
        if self._slots is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._slots = Slots(self.folder / f"{os.getpid()}{self._part}.metrics")
        return self._slots


_registries: WeakSet[Registry] = WeakSet()


def _after_fork_in_child() -> None:
    """What was counted is the parent's."""
    for registry in list(_registries):
        registry.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)


def shared_folder(
    base: Path | None = None,
    parent: Callable[[], int] = os.getppid,
    started: Callable[[int], str | None] | None = None,
) -> Path:
    """The folder of all workers with one parent: a host's, or those of a Nuclio processor.

    Folders of parents that have ended are removed.
    """
    base, started = base or Path(tempfile.gettempdir()), started or _started
    for folder in base.glob(f"{_FOLDER}*"):
        known = _PARENT.fullmatch(folder.name)
        if known and (started(int(known[1])) or "gone") != known[2]:
            shutil.rmtree(folder, ignore_errors=True)
    folder = base / f"{_FOLDER}{parent()}-{started(parent()) or ''}"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; where /proc is not there, "0" if it runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[19]
    except OSError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass
    return None if Path("/proc/self/stat").exists() else "0"
