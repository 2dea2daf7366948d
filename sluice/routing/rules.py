"""The first rule that fits says which version answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sluice.conditions import Condition, Explained, Situation, Situations, read_condition
from sluice.errors import DeclarationError, nearest
from sluice.features.definitions import Definitions
from sluice.fields import Fields
from sluice.live import CHAMPION, Live
from sluice.message import Choice, Message
from sluice.routing.policy import Policy, make_policy

if TYPE_CHECKING:
    from sluice.application import Application
    from sluice.batch.block import Block
    from sluice.coded import Array

DEFAULT = "default"


class Rule(NamedTuple):
    """One rule: `when` is its condition as declared, `to` an alias or the policy that chooses."""

    name: str
    when: Any
    to: str | Policy


class Rules(Policy):
    """Forwards each row by the first rule whose condition holds, else to the default.

    When to use it: which version answers is known beforehand, by what a request is: a region, a
    customer, a kind of record that a version was made for. docs/routing/rules.md.

    Args:
        rules: a list of {when, to, name?}, looked at in order. `when` is a condition
            (sluice/conditions), `to` an alias, or another policy with its parameters:
            {policy: ensemble, members: […]}. Without a `name` it is called by its
            place, from 1.
        default: where a row goes that no rule takes: as `to`. It must be there.

    A version that is not live passes its rows to the champion, and the reply's route says why.
    """

    policy = "rules"

    def __init__(self, rules: Sequence[Mapping[str, Any]], default: Any) -> None:
        if not isinstance(rules, (list, tuple)) or not rules:
            raise ValueError(f"rules: expected a list of rules, found {rules!r}")
        self.rules = [_rule(rule, place) for place, rule in enumerate(rules)]
        self.rules.append(Rule(DEFAULT, None, _target(default, DEFAULT)))
        names = [rule.name for rule in self.rules]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"rules: two are named {twice!r}")
        self._conditions: list[Condition] = []

    def check(self, definitions: Definitions) -> None:
        self._conditions = [
            read_condition(rule.when, f"rules[{place}].when", definitions)
            for place, rule in enumerate(self.rules[:-1])
        ]
        inner = [rule.to.headers for rule in self.rules if isinstance(rule.to, Policy)]
        read = [condition.headers for condition in self._conditions]
        self.headers = tuple(dict.fromkeys(name for names in (*read, *inner) for name in names))
        for rule in self.rules:
            if isinstance(rule.to, Policy):
                rule.to.check(definitions)

    def open(self, application: Application) -> None:
        for rule in self.rules:
            if isinstance(rule.to, Policy):
                rule.to.open(application)

    def close(self) -> None:
        for rule in self.rules:
            if isinstance(rule.to, Policy):
                rule.to.close()

    def arms(self, live: Live) -> dict[str, Choice]:
        """By the rule's name, of those that lead to an alias."""
        return {r.name: self._choice(r, r.to, live) for r in self.rules if isinstance(r.to, str)}

    def _choice(self, rule: Rule, alias: str, live: Live) -> Choice:
        reason = _reason(rule)
        if alias not in live.aliases:
            why = live.refused.get(alias, "no such alias")
            alias, reason = CHAMPION, f"{reason}; {alias} is not live: {why}"
        return Choice(self.policy, alias, live.aliases[alias], reason=reason)

    def choose(self, message: Message, live: Live) -> list[Choice]:
        taken = [self._taken(situation) for situation in _situations(message)]
        targets: dict[int, list[Choice]] = {}
        for place in set(taken):
            rule = self.rules[place]
            if isinstance(rule.to, str):
                targets[place] = [self.choices(live)[rule.name]] * len(taken)
            else:
                targets[place] = _because(rule, rule.to.choose(message, live))
        return [targets[place][row] for row, place in enumerate(taken)]

    def _taken(self, situation: Situation) -> int:
        for place, condition in enumerate(self._conditions):
            if condition.holds(situation):
                return place
        return len(self._conditions)

    def choose_table(self, block: Block, live: Live) -> tuple[list[Choice], Array]:
        taken = self._taken_rows(block)
        choices: list[Choice] = []
        chosen = np.zeros(len(taken), np.int32)
        for place in np.unique(taken).tolist():
            rule, rows = self.rules[place], taken == place
            if isinstance(rule.to, str):
                chosen[rows] = len(choices)
                choices.append(self.choices(live)[rule.name])
            else:
                found, which = rule.to.choose_table(block, live)
                chosen[rows] = which[rows] + len(choices)
                choices += _because(rule, found)
        return choices, chosen

    def _taken_rows(self, block: Block) -> Array:
        seen = Situations(block.columns, block.why, block.when[block.places])
        taken = np.full(len(block.places), len(self._conditions))
        for place in reversed(range(len(self._conditions))):
            taken[self._conditions[place].table(seen)] = place
        return taken

    def explain(self, message: Message) -> list[list[Explained]]:
        """Per row, of each rule up to the one that took it, why it did or did not."""
        told = []
        for situation in _situations(message):
            looked_at = self._conditions[: self._taken(situation) + 1]
            found = [condition.explain(situation) for condition in looked_at]
            told.append([
                Explained(rule.name, why.holds, parts=(why,))
                for rule, why in zip(self.rules, found, strict=False)
            ])  # fmt: skip
        return told


def _situations(message: Message) -> list[Situation]:
    """What is known of each row."""
    places = {name: at for at, name in enumerate(message.columns)}
    parts = message.parts or (message,)
    headers = [part.headers for part in parts for _ in part.records]
    times = message.times()
    defaults = message.defaults or [{}] * len(message.rows)
    rows = zip(message.rows, message.values, defaults, strict=True)
    return [
        Situation(Fields(places, values), defaulted, headers[record], times[record])
        for record, values, defaulted in rows
    ]


def _because(rule: Rule, choices: Sequence[Choice]) -> list[Choice]:
    """The choices of a rule's own policy, with the rule as their reason; alike stays the same."""
    reason = _reason(rule)
    made = {
        id(c): replace(c, reason=f"{reason}; {c.reason}" if c.reason else reason) for c in choices
    }
    return [made[id(choice)] for choice in choices]


def _reason(rule: Rule) -> str:
    return "no rule took it" if rule.name == DEFAULT else f"rule {rule.name}"


def _rule(data: Any, place: int) -> Rule:
    where, known = f"rules[{place}]", ("when", "to", "name")
    if not isinstance(data, Mapping):
        raise ValueError(f"{where}: expected a mapping with when and to, found {data!r}")
    for field in data:
        if field not in known:
            raise ValueError(f"{where}: unknown field {field!r}: {nearest(str(field), known)}")
    for field in known[:2]:
        if field not in data:
            raise ValueError(f"{where}.{field}: is missing")
    name = data.get("name", str(place + 1))
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where}.name: expected text, found {name!r}")
    return Rule(name, data["when"], _target(data["to"], f"{where}.to"))


def _target(data: Any, where: str) -> str | Policy:
    if isinstance(data, str) and data and not data.isdigit():
        return data
    if not isinstance(data, Mapping) or "policy" not in data:
        raise ValueError(f"{where}: expected an alias, or a policy, found {data!r}")
    params = dict(data)
    try:
        return make_policy(params.pop("policy"), params, where)
    except DeclarationError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise ValueError(f"{where}: {error.problem}{hint}") from None
