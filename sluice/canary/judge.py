"""The verdict: what the evidence so far says, and nothing else.

*Roll back* when any capital reaches the number of comparisons over α: by the union bound a
challenger that is no worse in any of them is rolled back with a probability of α at most, however
often one looks. (The mean of the capitals would need less, but labels come in another order than
requests, and a mean is valid only in one.)

*Advance* when a stage has had its requests and its time. *Promote* after the last one, when there
was no alarm, labels enough, and, for each comparison with a margin, evidence at α that the
challenger is not worse by it. Each of them has to hold, so that needs no correction. Without a
margin the absence of an alarm has to do: no amount of traffic shows that two rates are equal.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec

from sluice.canary.plan import LOSS
from sluice.canary.run import Run
from sluice.canary.tally import CHALLENGER, Tally

WAIT, ADVANCE, PROMOTE, ROLL_BACK = "wait", "advance", "promote", "roll back"
NOTHING = "nothing"
_MOST = 700.0  # the logarithm of what a float can hold


class Judged(NamedTuple):
    """What to do, and why."""

    action: str
    why: str


def judge(run: Run, tally: Tally) -> Judged:
    """What a running canary has come to."""
    worst = max(run.margins, key=lambda name: tally.capitals[name].against)
    if tally.capitals[worst].against >= math.log(limit(run)):
        return Judged(ROLL_BACK, f"{worst}: {_sides(worst, run, tally)}")
    stage, seen = run.plan.stages[run.stage], tally.stages[run.stage]
    if seen.challenger < stage.requests:
        why = f"stage {run.stage + 1} has {seen.challenger} of {stage.requests} requests"
        return _waiting(run, tally, why)
    if seen.lasted_s < stage.hold_s:
        why = f"stage {run.stage + 1} has lasted {seen.lasted_s:.0f} of {stage.hold_s:.0f} s"
        return _waiting(run, tally, why)
    if run.stage + 1 < len(run.plan.stages):
        share = run.plan.stages[run.stage + 1].share
        return Judged(ADVANCE, f"stage {run.stage + 1} passed: {share:.4g} of the traffic next")
    if lacking := _lacking(run, tally):
        return _waiting(run, tally, lacking)
    return Judged(PROMOTE, "all stages passed")


def limit(run: Run) -> float:
    """What a capital must reach to be an alarm."""
    return len(run.margins) / run.plan.alpha


def evidence(run: Run, tally: Tally) -> dict[str, Any]:
    """All that a verdict was based on, as JSON has it; margins and losses in their own unit."""
    compared = {
        name: {
            "margin": run.plan.plain(name, margin),
            "e": _e(tally.capitals[name].against),
            "alarm_at": limit(run),
            **({"e_not_worse": _e(tally.capitals[name].in_favour)} if margin else {}),
        }
        for name, margin in run.margins.items()
    }
    told = msgspec.to_builtins(tally)
    for side in told["sides"].values():
        side["loss"] = run.plan.plain(LOSS, side["loss"])
    return {"compared": compared, **{name: told[name] for name in ("sides", "stages", "counts")}}


def _e(log: float) -> float:
    return math.exp(min(log, _MOST))


def _waiting(run: Run, tally: Tally, why: str) -> Judged:
    """Wait, unless it has taken too long."""
    times = [t for seen in tally.stages for t in (seen.first, seen.last) if t is not None]
    took = max(times) - min(times) if times else 0.0
    if run.plan.limit_s is not None and took > run.plan.limit_s:
        return Judged(ROLL_BACK, f"no verdict within {run.plan.limit_s:.0f} s: {why}")
    return Judged(WAIT, why)


def _lacking(run: Run, tally: Tally) -> str:
    """What a promotion still lacks."""
    loss, labels = run.plan.loss, tally.sides[CHALLENGER].labels
    if loss is not None and labels < loss.labels:
        return f"{labels} of {loss.labels} labels of the challenger have come"
    for name, margin in run.margins.items():
        log = tally.capitals[name].in_favour
        if margin and log < -math.log(run.plan.alpha):
            by, need = run.plan.plain(name, margin), 1 / run.plan.alpha
            return f"{name}: not worse by {by:.4g} has the evidence {_e(log):.3g} of {need:.4g}"
    return ""


def _sides(name: str, run: Run, tally: Tally) -> str:
    """Both versions, by what is compared."""
    challenger, champion = (tally.sides[side] for side in (CHALLENGER, "champion"))
    if name == LOSS:
        told = [
            f"{run.plan.plain(LOSS, s.loss) / max(s.labels, 1):.4g} of {s.labels}"
            for s in (challenger, champion)
        ]
        return f"the challenger's mean is {told[0]} labels, the champion's {told[1]}"
    counts = {"errors": "failed", "latency": "slow", "missing": "requests"}
    parts = [f"{getattr(s, counts[name])} of {s.requests}" for s in (challenger, champion)]
    if name == "missing":
        expected = f"{challenger.requests} requests of the challenger left an event"
        return f"{expected}, {champion.requests} of the champion: fewer than its share"
    return f"{parts[0]} requests of the challenger, {parts[1]} of the champion {counts[name]}"
