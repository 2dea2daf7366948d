"""The contract of a routing policy, and how one is made from its declaration.

One version answers a row: the policy's choice names its alias, its number, the propensity. Several
answer it together: the choice has a `team` (sluice/team.py), plain data that says which members,
with which weights, how their scores combine, how many must answer and how long each may take.

    Choice(policy, name, team.version, propensity, team=Team((Member("champion", "3", 0.7),
                                                             Member("challenger", "4", 0.3))))

What happens to it then:

- The model step asks each version once per message, for all rows that need it, whichever choices
  they have; the transforms are shared by digest already. The scores of every member of a team are
  in `message.members` (of a table in `block.members`): version → (rows, scores [rows, k]).
- Scores combine in float64 in the order of the members, row by row, so that a row's answer does
  not depend on its neighbours; weights may differ from row to row.
- A member of weight 0 is watched: it predicts with the others, its score is kept, it has no part
  in the answer, in `version` and in the quorum. (A bandit's relative reward: the arm has weight 1,
  the champion 0; both scores are then in the event.)
- A member that raises, gives no number or takes longer than `budget_ms` is left out of the rows
  concerned: their choice is replaced by one whose team is without it, its weights grown to the
  same sum, and whose `left_out` says who and why; `version` too names only who answered. Below the
  quorum, and where only members of weight 0 are left, the row has an error of status 503.
- The reply's route tells the team; the monitoring event has the scores by member, `members`.
- Teams are compared by identity first: give rows that are alike the very same Choice.

A shadow is another thing: a version that answers off the reply's path, after the reply is on its
way (sluice/routing/shadow.py). It is declared beside the policy, for any policy, and its score is
never in `members`: what must be known with the reply is a member of weight 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions
from sluice.live import Live
from sluice.message import Choice, Message

if TYPE_CHECKING:
    from sluice.application import Application
    from sluice.batch.block import Block
    from sluice.coded import Array
    from sluice.conditions import Explained

# By name, where the class is; a process imports only the one that it uses.
POLICIES = {
    "canary": "sluice.routing.canary:Canary",
    "champion": "sluice.routing.champion:Champion",
    "ensemble": "sluice.routing.ensemble:Ensemble",
    "epsilon_greedy": "sluice.routing.epsilon_greedy:EpsilonGreedy",
    "hedge": "sluice.routing.hedge:Hedge",
    "linear_thompson": "sluice.routing.linear_thompson:LinearThompson",
    "linucb": "sluice.routing.linucb:LinUcb",
    "online_stack": "sluice.routing.online_stack:OnlineStack",
    "rules": "sluice.routing.rules:Rules",
    "thompson": "sluice.routing.thompson:Thompson",
    "ucb1": "sluice.routing.ucb1:Ucb1",
    "weights": "sluice.routing.weights:Weights",
}


class Policy:
    """Chooses a version, or several, for each row of a message.

    A subclass sets `policy`, takes its own parameters in `__init__`, and writes `choose`. Where
    there are few choices it says them all in `arms`, and takes them from `choices`. `headers` are
    those of a request that it looks at, in lower case: others do not reach it.
    """

    policy: ClassVar[str]
    headers: Sequence[str] = ()
    _made: tuple[Live | None, Mapping[str, Choice]] = (None, {})

    def __init__(self) -> None:
        """Without parameters; a subclass names its own."""

    def check(self, definitions: Definitions) -> None:
        """Raise ValueError where a parameter does not fit the declared records and features."""

    def open(self, application: Application) -> None:
        """Called once, after `check`, before the first choice: for what a policy must open."""

    def close(self) -> None:
        """Let go of what was opened."""

    def arms(self, live: Live) -> Mapping[str, Choice]:
        """The choices that there are, by the policy's names, among the versions that are live."""
        return {}

    def choices(self, live: Live) -> Mapping[str, Choice]:
        """What `arms` said of these live versions; asked once, for they never change."""
        made, arms = self._made
        if made is not live:
            arms = self.arms(live)
            self._made = live, arms
        return arms

    def choose(self, message: Message, live: Live) -> list[Choice]:
        """A choice per row, among the versions that are live."""
        raise TypeError(f"{type(self).__name__} does not define choose")

    def explain(self, message: Message) -> list[list[Explained]]:
        """Per row, what was looked at to choose for it; nothing where that needs no telling."""
        return [[] for _ in message.rows]

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        """`choose` for the rows of a table: the choices, and which of them is each row's [m]."""
        chosen = self.choose(block.message(), live)
        choices = list(dict.fromkeys(chosen))
        places = {choice: place for place, choice in enumerate(choices)}
        return choices, np.fromiter(map(places.__getitem__, chosen), np.int32, len(chosen))


def make_policy(name: str, params: Mapping[str, Any], where: str) -> Policy:
    """The policy with this name. Raises DeclarationError for what it does not know."""
    if not isinstance(name, str) or name not in POLICIES:
        hint = nearest(str(name), POLICIES)
        raise DeclarationError("graph.yaml", f"{where}.policy", f"no policy {name!r}", hint)
    module, _, kind = POLICIES[name].partition(":")
    made: type[Policy] = getattr(import_module(module), kind)
    try:
        signature(made).bind(**params)
    except TypeError as error:  # such as: missing a required argument: 'stages'
        hint = f"it takes {', '.join(signature(made).parameters) or 'none'}"
        raise DeclarationError("graph.yaml", where, f"policy {name}: {error}", hint) from None
    try:
        return made(**params)
    except (TypeError, ValueError) as error:
        raise DeclarationError("graph.yaml", where, f"policy {name}: {error}") from None
