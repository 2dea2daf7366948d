"""A new version gets a share of the traffic that grows by stages; sluice/canary decides on it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Hashable, Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sluice.canary.plan import PARAMETERS, Plan
from sluice.canary.run import GATEWAY, Board, Run
from sluice.declaration import Section
from sluice.errors import DeclarationError, SluiceError, nearest
from sluice.features.definitions import Definitions
from sluice.lift import lift
from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy
from sluice.schema import Value
from sluice.streams import Clock

if TYPE_CHECKING:
    from sluice.application import Application
    from sluice.batch.block import Block
    from sluice.coded import Array

log = logging.getLogger("sluice")

CHALLENGER = "challenger"
_TOP = 1 << 56


class Canary(Policy):
    """The champion, and while a canary is under way, for a share of the requests its challenger.

    When to use it: to bring a new version in by stages, and have a sequential test decide.

    Args:
        stages: a list of {share, requests, hold}: see Plan.
        key: the record's field that is kept together; without one, or where it is empty, the
            request's id decides. A request goes to one version as a whole, by its first record.
        state: refresh (1s) and max_age (60s): how often the share is looked at, and how old what
            is known of it may get before the champion answers all.
        others: alpha, errors, latency, loss, limit: see Plan.

    Records of a table that have no ids of their own are answered by the champion.
    """

    policy = "canary"

    def __init__(
        self,
        stages: list[Any],
        *,
        key: str | None = None,
        state: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> None:
        if key is not None and not isinstance(key, str):
            raise ValueError(f"key: expected the name of a record's field, found {key!r}")
        for name in others:
            if name not in PARAMETERS:
                raise ValueError(f"no parameter {name!r}: {nearest(name, PARAMETERS)}")
        self.key, self.plan = key, Plan.parse({"stages": stages, **others}, key is not None)
        section = Section(state or {}, "graph.yaml", "router.class_args.state")
        self._refresh_s = section.duration("refresh", 1.0)
        self._max_age_s = section.duration("max_age", 60.0)
        section.done()
        if not 0 < self._refresh_s < self._max_age_s:
            raise section.error("max_age", "expected more than refresh, which is more than 0")
        self.watched: Watched | None = None
        self._arm = ""
        self._table: Table | None = None

    def check(self, definitions: Definitions) -> None:
        fields = definitions.record.names
        if self.key is not None and self.key not in fields:
            raise ValueError(f"key: no record field {self.key!r}: {nearest(self.key, fields)}")

    def open(self, application: Application) -> None:
        self._arm = application.arm
        board = Board(application.models, application.graph)
        self.attach(Watched(board, self._refresh_s, self._max_age_s))

    def attach(self, watched: Watched) -> None:
        """Take the share from there."""
        self.watched = watched
        watched.refresh()

    def close(self) -> None:
        if self.watched is not None:
            self.watched.close()

    def choose(self, message: Message, live: Live) -> list[Choice]:
        table = self._now(live)
        if not table.share:
            return [table.alone] * len(message.rows)
        column = message.columns.index(self.key) if self.key else None
        requests = [n for n, part in enumerate(message.parts) for _ in part.records]
        ids = [part.id for part in message.parts] or [message.id]
        chosen: dict[int, Choice] = {}
        choices = []
        for record, values in zip(message.rows, message.values, strict=True):
            request = requests[record] if requests else 0
            if request not in chosen:
                key = None if column is None else _text(values[column])
                chosen[request] = table.of(ids[request] if key is None else key)
            choices.append(chosen[request])
        return choices

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        table = self._now(live)
        if table.share and block.ids is None:
            table = Table.of_champion(live, why="the records of the table have no ids")
        if block.ids is None or not table.share:
            return [table.alone], np.zeros(len(block.places), np.int32)
        keys = [str(block.ids[place]) for place in block.places.tolist()]
        if self.key is not None:
            found = lift(_text, block.columns[self.key], object).tolist()
            keys = [id if key is None else key for id, key in zip(keys, found, strict=True)]
        chosen = np.fromiter((table.takes(key) for key in keys), np.int32, len(keys))
        return [table.alone, table.challenger], chosen

    def _now(self, live: Live) -> Table:
        """The choices by what is known now."""
        if self.watched is None:
            return Table.of_champion(live)
        run, why = self.watched.latest()
        table = self._table
        if table is None or table.live is not live or table.run is not run or table.why != why:
            table = self._table = Table.by(live, run, why, self._arm)
        return table


class Table(NamedTuple):
    """Both choices, and who gets which.

    `alone` is the champion's; where there is nothing to choose, as behind a gateway that has
    chosen, `share` is 0 and it is what all get.
    """

    live: Live
    run: Run | None
    why: str
    share: float
    alone: Choice
    challenger: Choice

    @classmethod
    def of_champion(cls, live: Live, run: Run | None = None, why: str = "") -> Table:
        """The champion answers all."""
        choice = Choice(Canary.policy, CHAMPION, live.aliases[CHAMPION], reason=why)
        return cls(live, run, why, 0.0, choice, choice)

    @classmethod
    def by(cls, live: Live, run: Run | None, why: str, arm: str) -> Table:
        """What a run says, among the versions that are live."""
        if run is None or why or not run.share:
            return cls.of_champion(live, run, why and f"fallback: {why}")._replace(why=why)
        for alias, number in ((CHAMPION, run.champion), (CHALLENGER, run.challenger)):
            if live.aliases.get(alias) != number:
                refused = live.refused.get(alias, f"expected version {number}")
                table = cls.of_champion(live, run, f"{alias} is not live: {refused}")
                return table._replace(why=why)
        champion = Choice(Canary.policy, CHAMPION, run.champion, 1 - run.share)
        challenger = Choice(Canary.policy, CHALLENGER, run.challenger, run.share)
        if run.through == GATEWAY:
            alone = challenger if arm == CHALLENGER else champion
            return cls(live, run, why, 0.0, alone, alone)
        return cls(live, run, why, run.share, champion, challenger)

    def takes(self, key: str) -> bool:
        """Whether a key goes to the challenger: as the share grows, keys only come."""
        assert self.run is not None
        return unit(self.run.number, key) < self.share

    def of(self, key: str) -> Choice:
        """The choice of a key."""
        return self.challenger if self.takes(key) else self.alone


class Watched:
    """The run as it was last seen; a thread looks again and again.

    Args:
        board: where it is.
        refresh_s: seconds between looks.
        max_age_s: what could not be looked at for so long is not known any more.
        clock: for both.
    """

    def __init__(
        self, board: Board, refresh_s: float, max_age_s: float, clock: Clock = time
    ) -> None:
        self._board, self._clock = board, clock
        self._refresh_s, self._max_age_s = refresh_s, max_age_s
        self._run: Run | None = None
        self._token: Hashable = object()
        self._looked = float("-inf")
        self._problem = "nothing was read yet"
        self._closed = threading.Event()
        self._pid = 0

    def latest(self) -> tuple[Run | None, str]:
        """The run, and why it is not known, if it is not."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            threading.Thread(target=self._watch, name="sluice-canary", daemon=True).start()
        if self._clock.monotonic() - self._looked > self._max_age_s:
            return None, f"the canary is not known: {self._problem}"
        return self._run, ""

    def refresh(self) -> None:
        """Look now. What keeps it from that is logged, and told by `latest` when it lasts."""
        began = self._clock.monotonic()
        try:
            token = self._board.token()
            if token != self._token:
                self._run, self._token = self._board.look()
        except (SluiceError, OSError) as error:
            if type(error).__name__ != self._problem:
                log.warning("the canary is not known: %s", error)
            self._problem = type(error).__name__
            if isinstance(error, DeclarationError):
                self._looked = float("-inf")  # it is there, and is another one than is known
            return
        self._problem, self._looked = "", began

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def _watch(self) -> None:
        while not self._closed.wait(self._refresh_s):
            self.refresh()


def unit(run: int, key: str) -> float:
    """A number from 0 to below 1, uniform over keys; another one in each run.

    >>> unit(1, "N14228") < 1
    True
    """
    digest = blake2b(f"canary {run}\0{key}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / _TOP


def _text(value: Value) -> str | None:
    return None if value is None or value != value else str(value)
