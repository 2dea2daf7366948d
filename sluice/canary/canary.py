"""One graph's canary: start it, look, and it decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from sluice.canary.declared import declared_plan
from sluice.canary.judge import (
    ADVANCE,
    NOTHING,
    PROMOTE,
    ROLL_BACK,
    WAIT,
    Judged,
    evidence,
    judge,
)
from sluice.canary.reader import ends, read
from sluice.canary.run import (
    FORMAT,
    GATEWAY,
    PROMOTED,
    PROMOTING,
    ROLLED_BACK,
    ROLLING_BACK,
    ROUTER,
    RUNNING,
    STARTING,
    STOPPED,
    UNDER_WAY,
    Board,
    Decided,
    Run,
)
from sluice.canary.state import State
from sluice.canary.tally import Tally
from sluice.canary.verdict import Gateway, Status, Verdict
from sluice.errors import GateFailed, NotFound, StoreUnavailable
from sluice.live import CHAMPION
from sluice.models.document import utc_text
from sluice.models.store import ModelStore, resolve
from sluice.project import Project
from sluice.routing.open import classes_of, topics
from sluice.stores import model_store
from sluice.streams import Clock

CHALLENGER = "challenger"
BY = "sluice canary"
_TRIES = 10


class Canary:
    """The canary of a graph. It is for one thread.

    Args:
        project, graph: whose.
        models: where versions and aliases are.
        gateway: splits the traffic in place of the router; None: the router does.
        clock: for what decisions say of when they were made, and for waiting on streams.
    """

    def __init__(
        self,
        project: Project,
        graph: str,
        models: ModelStore,
        gateway: Gateway | None = None,
        clock: Clock = time,
    ) -> None:
        self._project, self._graph, self._models = project, graph, models
        self._gateway, self._clock = gateway, clock
        self._board = Board(models, graph)
        self._shifted: int | None = None

    @classmethod
    def open(
        cls, project: Project, graph: str, gateway: Gateway | None = None, clock: Clock = time
    ) -> Canary:
        """That of a project's graph. Raises DeclarationError where there is no such graph."""
        project.graph_file(graph)
        return cls(project, graph, model_store(project), gateway, clock)

    def start(self, version: str, evidence: Any = None, by: str = BY) -> Run:
        """Make a version, a number or an alias, the challenger, and give it the first share.

        Raises DeclarationError where the router's policy is not `canary`, GateFailed while a
        canary is under way or for the champion itself, NotFound, VersionRefused.
        """
        plan = declared_plan(self._project, self._graph, self._gateway is not None)
        number = resolve(self._models, self._graph, version)
        champion = resolve(self._models, self._graph, CHAMPION)
        before, token = self._board.look()
        if before is not None and before.state in UNDER_WAY:
            why = f"version {before.challenger} is on its way: sluice canary stop {self._graph}"
            raise GateFailed("canary", why)
        if number == champion:
            raise GateFailed("canary", f"version {number} is the champion already")
        self._models.promote(self._graph, number, CHALLENGER, {"canary": evidence}, by)
        state = STARTING if self._gateway else RUNNING
        at, share = utc_text(self._clock.time), 0.0 if self._gateway else plan.stages[0].share
        first = Decided(at, "start", state, 0, share, f"{number} against {champion}", by, evidence)
        run = Run(
            format=FORMAT,
            number=before.number + 1 if before else 1,
            champion=champion,
            challenger=number,
            through=GATEWAY if self._gateway else ROUTER,
            plan=plan,
            state=state,
            stage=0,
            offsets=ends(self._project, topics(self._project, self._graph)),
            decisions=[first],
        )
        if before is not None:
            self._board.keep(before)
        if not self._board.put(run, token):
            raise GateFailed("canary", f"another canary of {self._graph} has begun just now")
        if self._gateway:
            self._gateway.start()
        return run

    def look(self) -> Verdict:
        """Read what has come, decide, and do it.

        What a process that was killed had decided is done first. Raises NotFound where no canary
        was ever started; StoreUnavailable: nothing is lost, look again.
        """
        for _ in range(_TRIES):
            run, token = self._run()
            self._check_gateway(run)
            with closing(self._state(run)) as state:
                if run.state == RUNNING:
                    self._shift(run.share)
                    read(self._project, state, self._topics(run), run, self._clock)
                tally = state.tally()
            verdict = self._decide(run, token, tally)
            if verdict is not None:
                return verdict
        raise StoreUnavailable(f"{self._graph}: others change its canary all the time")

    def status(self) -> Status:
        """What is known, without reading on. Raises NotFound where there is no canary."""
        run, _ = self._run()
        with closing(self._state(run)) as state:
            tally = state.tally()
        if run.state == RUNNING:
            action, why = judge(run, tally)
        else:
            action, why = NOTHING, run.decisions[-1].why
        return Status(run, tally, self._verdict(run, action, why, tally))

    def stop(self, by: str, why: str = "stopped") -> Verdict:
        """The champion answers all again; the challenger stays what it is."""
        return self._end(STOPPED, "stop", by, why)

    def rollback(self, by: str, why: str = "rolled back") -> Verdict:
        """The champion answers all again; the alias challenger goes back, too."""
        return self._end(ROLLING_BACK, ROLL_BACK, by, why)

    def _end(self, state: str, action: str, by: str, why: str) -> Verdict:
        for _ in range(_TRIES):
            run, token = self._run()
            self._check_gateway(run)
            if run.state not in (STARTING, RUNNING):
                raise GateFailed("canary", f"{self._graph}: nothing is under way: {run.state}")
            with closing(self._state(run)) as counted:
                tally = counted.tally()
            after = self._after(run, Judged(action, why), state, tally, by)
            if self._board.put(after, token):
                return self._finish(after, action, why, tally)
        raise StoreUnavailable(f"{self._graph}: others change its canary all the time")

    def _decide(self, run: Run, token: Hashable, tally: Tally) -> Verdict | None:
        """None where somebody else has changed the run in the meantime."""
        if run.state not in (STARTING, RUNNING):
            return self._finish(run, NOTHING, run.decisions[-1].why, tally)
        action, why = self._judged(run, tally)
        if action == WAIT:
            return self._verdict(run, action, why, tally)
        states = {PROMOTE: PROMOTING, ROLL_BACK: ROLLING_BACK, "stop": STOPPED}
        state = states.get(action, RUNNING)
        if action == ADVANCE:
            run = msgspec.structs.replace(run, stage=run.stage + 1)
        if state == RUNNING:
            self._shift(run.plan.stages[run.stage].share)
        after = self._after(run, Judged(action, why), state, tally)
        return self._finish(after, action, why, tally) if self._board.put(after, token) else None

    def _judged(self, run: Run, tally: Tally) -> Judged:
        aliases = {n: a.version for n, a in self._models.aliases(self._graph).items()}
        for alias, number in ((CHAMPION, run.champion), (CHALLENGER, run.challenger)):
            if aliases.get(alias) != number:
                why = f"the alias {alias} was moved to version {aliases.get(alias)}"
                return Judged("stop", why)
        if run.state == STARTING:
            return self._started()
        return judge(run, tally)

    def _started(self) -> Judged:
        """Whether the challenger's function is there."""
        waiting = ""
        try:
            if self._gateway is not None:
                self._gateway.start()
                waiting = self._gateway.waiting_for()
        except GateFailed as error:
            return Judged(ROLL_BACK, str(error))
        return Judged(WAIT, waiting) if waiting else Judged("begin", "its function is ready")

    def _finish(self, run: Run, action: str, why: str, tally: Tally) -> Verdict:
        """Do what was decided; whoever comes after a kill does it again."""
        if run.state in (PROMOTING, ROLLING_BACK):
            told = {"canary": {"run": run.number, "why": run.decisions[-1].why}}
            told["canary"] |= run.decisions[-1].evidence
            by = run.decisions[-1].by
            if run.state == PROMOTING:
                self._models.promote(self._graph, run.challenger, CHAMPION, told, by)
            else:
                self._back(run, told, by)
            self._close_gateway()
            done = PROMOTED if run.state == PROMOTING else ROLLED_BACK
            run = self._settle(run, done)
        elif run.state == STOPPED:
            self._close_gateway()
        return self._verdict(run, action, why, tally)

    def _settle(self, run: Run, state: str) -> Run:
        """What was decided is done."""
        now, token = self._run()
        if now.state == run.state:
            at, last = utc_text(self._clock.time), now.decisions[-1]
            now = now.decide(Decided(at, "done", state, now.stage, 0.0, last.why, last.by))
            if not self._board.put(now, token):
                return self._settle(run, state)
        return now

    def _back(self, run: Run, told: Any, by: str) -> None:
        """The alias challenger where it was, if it was anywhere."""
        found = self._models.aliases(self._graph).get(CHALLENGER)
        if found and found.version == run.challenger and found.previous is not None:
            self._models.rollback(self._graph, CHALLENGER, told, by)

    def _check_gateway(self, run: Run) -> None:
        """Raise GateFailed where another one splits the traffic."""
        if (run.through == GATEWAY) != (self._gateway is not None):
            hint = "add --target nuclio" if run.through == GATEWAY else "leave --target out"
            raise GateFailed(
                "canary", f"{self._graph}: the {run.through} splits its traffic: {hint}"
            )

    def _close_gateway(self) -> None:
        if self._gateway is not None:
            self._gateway.end()

    def _shift(self, share: float) -> None:
        """The gateway's percentage, where it is another one."""
        percent = round(share * 100)
        if self._gateway is not None and percent != self._shifted:
            self._gateway.shift(percent)
            self._shifted = percent

    def _after(self, run: Run, judged: Judged, state: str, tally: Tally, by: str = BY) -> Run:
        at, told = utc_text(self._clock.time), evidence(run, tally)
        share = run.plan.stages[run.stage].share if state in (RUNNING, PROMOTING) else 0.0
        decided = Decided(at, judged.action, state, run.stage, share, judged.why, by, told)
        return run.decide(decided)

    def _verdict(self, run: Run, action: str, why: str, tally: Tally) -> Verdict:
        found = evidence(run, tally)
        return Verdict(action, why, run.state, run.stage + 1, run.share, found)

    def _run(self) -> tuple[Run, Hashable]:
        run, token = self._board.look()
        if run is None:
            raise NotFound(
                f"{self._graph} has no canary: sluice canary start {self._graph} VERSION"
            )
        return run, token

    def _state(self, run: Run) -> State:
        folder = Path(self._project.path("", "canary"))
        name = f"{self._project.name}/{self._graph}"
        classes: Callable[[str], Any] = classes_of(self._project, self._graph)
        return State(folder, run, topics(self._project, self._graph), classes, name)

    def _topics(self, run: Run) -> tuple[str, ...]:
        both = topics(self._project, self._graph)
        return both if run.plan.loss is not None else both[:1]
