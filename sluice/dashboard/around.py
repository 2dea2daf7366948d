"""What stands around the windows: aliases and their moves, what a policy has learnt, the canary,
incidents, dead letters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sluice.environment import acquire, release
from sluice.errors import DeclarationError
from sluice.graph.spec import GraphSpec
from sluice.live import CHAMPION
from sluice.models.store import ModelStore
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.stores import reward_ledger
from sluice.streams import is_log, log_path, open_stream

_CANARY = "canary"
_MOVES = 50
_CLOSED = 20  # incidents
_INCIDENT = (
    "id", "condition", "kind", "severity", "subject", "version", "segment", "state", "since",
    "opened", "closed", "value", "usual", "against", "why", "ended",
)  # fmt: skip
Plain = dict[str, Any]


class Place(NamedTuple):
    """Whose dashboard it is, and whether it may ask stores and brokers of other machines."""

    project: Project
    graph: str
    spec: GraphSpec
    parameters: Parameters
    models: ModelStore
    far: bool

    def reaches(self, url: str) -> bool:
        """Whether what lies at a path or URL is looked at."""
        return self.far or "://" not in url or url.startswith("file://")


class Elsewhere(Exception):
    """It is on another machine, where a worker does not look."""


def of_aliases(place: Place) -> list[Plain]:
    """Where each alias points, the champion first."""
    found = models_of(place).aliases(place.graph)
    names = sorted(found, key=lambda name: (name != CHAMPION, name))
    return [
        {"alias": n, "version": found[n].version, "since": found[n].since, "by": found[n].by}
        for n in names
    ]


def of_moves(place: Place) -> list[Plain]:
    """The last moves of aliases, oldest first."""
    fields = ("at", "action", "alias", "version", "previous", "by")
    moves = models_of(place).history(place.graph)[-_MOVES:]
    return [{name: getattr(move, name) for name in fields} for move in moves]


def of_learning(place: Place, now: float) -> Plain | None:
    """What the router's policy has learnt, by arm; None for one that does not learn."""
    # Here, for graphs without a router, or with one that does not learn, load none of it.
    from sluice.routing.learning import Learning
    from sluice.routing.open import router_policy
    from sluice.routing.status import status

    try:
        policy = router_policy(place.project, place.graph)
    except DeclarationError:  # there is no router
        return None
    if not isinstance(policy, Learning):
        return None
    if not place.reaches(place.project.path(place.project.settings.rewards, "rewards")):
        raise Elsewhere
    aliases = {n: a.version for n, a in models_of(place).aliases(place.graph).items()}
    with closing(reward_ledger(place.project, place.graph, policy.memory)) as ledger:
        plain: Plain = msgspec.to_builtins(status(policy, ledger, aliases, now))
        return plain


def of_canary(place: Place) -> Plain | None:
    """The last canary, and what the next look would say; None where there never was one."""
    if models_of(place).document(place.graph, _CANARY)[0] is None:
        return None
    from sluice.canary.canary import Canary

    found = Canary.open(place.project, place.graph).status()
    run, verdict = found.run, found.verdict
    fields = ("at", "action", "stage", "share", "why", "by")
    compared = verdict.evidence["compared"]
    return {
        "number": run.number,
        "champion": run.champion,
        "challenger": run.challenger,
        "state": run.state,
        "stage": verdict.stage,
        "stages": len(run.plan.stages),
        "share": run.share,
        "action": verdict.action,
        "why": verdict.why,
        "sides": [{"side": n, **side} for n, side in verdict.evidence["sides"].items()],
        "compared": [{"what": name, **figures} for name, figures in compared.items()],
        "decisions": [{name: getattr(d, name) for name in fields} for d in run.decisions],
    }


def of_alerts(place: Place, hidden: Collection[str]) -> Plain | None:
    """Open incidents and the latest that closed; None where nobody has looked for any.

    Of a field in `hidden` it is told that it has changed, and not what its values are.
    """
    from sluice.alerts import state
    from sluice.windows.open import folder

    file = state.state_file(folder(place.project), place.graph)
    if not file.is_file():
        return None
    environment = acquire(file, state.KIND)
    try:
        found = environment.read(state.incidents)
    finally:
        release(environment)
    shown = [i for i in found if i.segment.partition("=")[0] not in hidden]
    opened = [i for i in shown if i.closed is None]
    closed = [i for i in shown if i.closed is not None][-_CLOSED:]
    return {
        "open": len(opened),
        "incidents": [_incident(i, hidden) for i in (*opened[::-1], *closed[::-1])],
    }


def _incident(incident: Any, hidden: Collection[str]) -> Plain:
    told = {name: getattr(incident, name) for name in _INCIDENT}
    if incident.subject in hidden:
        told |= {"why": "its values are redacted", "ended": ""}
    return told


def of_dead_letters(place: Place) -> Plain:
    """How many requests of the stream could not be answered and are kept, and how many of them
    were put back."""
    from sluice.streaming.open import stream_url
    from sluice.streaming.topics import Topics

    url = stream_url(place.project)
    if not (is_log(url) or place.far):
        raise Elsewhere
    if is_log(url) and not Path(log_path(url)).exists():
        return {"requests": 0, "replayed": 0}
    topics = Topics.of(place.project.name, place.graph, place.parameters.stream)
    with closing(open_stream(url)) as stream:
        return {
            name: _kept(stream.bounds(topic))
            for name, topic in (("requests", topics.dead_letters), ("replayed", topics.replayed))
        }


def _kept(bounds: Mapping[int, Sequence[int]]) -> int:
    return sum(next_ - oldest for oldest, next_ in bounds.values())


def models_of(place: Place) -> ModelStore:
    """Where its versions are. Raises Elsewhere for another machine."""
    if not place.reaches(place.project.path(place.project.settings.models, "models")):
        raise Elsewhere
    return place.models
