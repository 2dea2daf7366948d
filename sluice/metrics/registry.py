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
from weakref import WeakSet

from sluice.metrics.slots import Slots

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
AGES = (60, 600, 1800, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 86400, 7 * 86400, 30 * 86400)
_FOLDER = "sluice-metrics-"
_PARENT = re.compile(rf"{_FOLDER}(\d+)-(\d*)")
Labels = tuple[tuple[str, str], ...]


class Registry:
    """Counts into a file of its own in `folder`; safe for one thread at a time.

    A metric that no longer fits (there is room for some thousand numbers) is not counted, and
    `left_out` says how often.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begin()
        _registries.add(self)

    def begin(self) -> None:
        """Count from nothing, into a file of this process."""
        self.left_out = 0
        self._slots: Slots | None = None
        self._counters: dict[tuple[str, Labels], int | None] = {}
        self._histograms: dict[tuple[str, Labels], int | None] = {}

    def count(self, name: str, labels: Labels = (), by: float = 1.0) -> None:
        """Add to the counter `name`, which Prometheus shows with `_total`."""
        slots = self._slots or self._open()
        slot = self._counters.get((name, labels), -1)
        if slot == -1:
            slot = self._counters[name, labels] = slots.add(1, name, "counter", labels)
        if slot is None:
            self.left_out += 1
        else:
            slots.values[slot] += by

    def observe(
        self, name: str, value: float, labels: Labels = (), buckets: Sequence[float] = SECONDS
    ) -> None:
        """Add `value` to the histogram `name` with these upper bounds."""
        slots = self._slots or self._open()
        slot = self._histograms.get((name, labels), -1)
        if slot == -1:
            # One slot per bucket, one beyond the last, one for the sum.
            slot = slots.add(len(buckets) + 2, name, "histogram", labels, list(buckets))
            self._histograms[name, labels] = slot
        if slot is None:
            self.left_out += 1
        else:
            slots.values[slot + bisect_left(buckets, value)] += 1.0
            slots.values[slot + len(buckets) + 1] += value

    def _open(self) -> Slots:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._slots = Slots(self.folder / f"{os.getpid()}.metrics")
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
