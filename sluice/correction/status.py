"""What a correction knows, and whether it is worth it."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.correction.plan import Plan
from sluice.correction.shelf import Control, Newest, Shelf
from sluice.correction.snapshot import Snapshot
from sluice.correction.sums import labels_of
from sluice.routing.ledger import Ledger
from sluice.routing.statistics import read

_LARGEST = 5


@dataclass(frozen=True)
class Known:
    """What is known of a version.

    Attributes:
        version: its number.
        labels: how many were learnt from, in all that is not forgotten; those count too that no
            snapshot has yet.
        base: how far all its answers are moved, in log-odds or spreads.
        largest: the values that are moved furthest beside it: "dest ATL", and how far.
        judged: how many labels of the window the losses are of.
        without, corrected: the mean losses, as the model answered and moved; None of none.
        off: whether it turned itself off.
    """

    version: str
    labels: int
    base: float
    largest: dict[str, float]
    judged: int
    without: float | None
    corrected: float | None
    off: bool


@dataclass(frozen=True)
class Status:
    """What a correction knows.

    Attributes:
        snapshot: the number of the one that answers are moved by; 0 for none.
        time: its time, seconds since the epoch; None for none.
        held: whether somebody froze it.
        last: when the last label was counted, by the learner's clock; None for none.
        versions: by number.
    """

    snapshot: int
    time: float | None
    held: bool
    last: float | None
    versions: list[Known]


def status(plan: Plan, ledger: Ledger, now: float) -> Status:
    """What a correction knows, by its ledger. Raises StoreUnavailable."""
    shelf = Shelf(ledger, plan.keep)
    used = _used(shelf, *shelf.look())
    head = ledger.head(now)
    labels = labels_of(read(ledger.sums()))
    versions = used.versions if used else {}
    known = []
    for version in sorted(labels.keys() | versions.keys()):
        learnt = versions.get(version)
        effects = {
            f"{feature} {value}": effect
            for feature, by_value in (learnt.effects if learnt else {}).items()
            for value, effect in by_value.items()
        }
        largest = sorted(effects, key=lambda name: (-abs(effects[name]), name))[:_LARGEST]
        judged = learnt.judged if learnt else 0
        known.append(
            Known(
                version=version,
                labels=labels.get(version, 0),
                base=learnt.base if learnt else 0.0,
                largest={name: effects[name] for name in largest},
                judged=judged,
                without=learnt.without if learnt and judged else None,
                corrected=learnt.corrected if learnt and judged else None,
                off=bool(learnt and learnt.off),
            )
        )
    last = head.last if head.version else None
    held = shelf.look()[1].held is not None
    return Status(used.number if used else 0, used.time if used else None, held, last, known)


def freeze(plan: Plan, ledger: Ledger, now: float) -> int:
    """Move answers by what is known now, whatever labels say; its number, 0 where nothing is."""
    shelf = Shelf(ledger, plan.keep)
    newest, control = shelf.look()
    used = _used(shelf, newest, control)
    if used is None:
        return 0
    shelf.control(Control(first=control.first, held=used.number), now)
    return used.number


def thaw(plan: Plan, ledger: Ledger, now: float) -> None:
    """Follow labels again; those that came meanwhile count."""
    shelf = Shelf(ledger, plan.keep)
    _, control = shelf.look()
    shelf.control(Control(first=control.first), now)


def reset(plan: Plan, ledger: Ledger, now: float) -> None:
    """Forget all labels: answers are the model's until there are new ones."""
    shelf = Shelf(ledger, plan.keep)
    newest, _ = shelf.look()
    # First what answers are moved by, then what more is made of.
    shelf.control(Control(first=newest.number + 1), now)
    ledger.forget(_ALL, now)


_ALL = 1 << 62  # a bucket after all others


def _used(shelf: Shelf, newest: Newest, control: Control) -> Snapshot | None:
    number = newest.number if control.held is None else control.held
    return shelf.read([number]).get(number) if number >= control.first else None
