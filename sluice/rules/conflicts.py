"""What is known of list rules to conflict before there is a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.rules.allow import Allow
from sluice.rules.cap import Cap
from sluice.rules.deny import Deny
from sluice.rules.pin import Pin
from sluice.rules.quota import AtLeast, Quota
from sluice.rules.rule import ListRule
from sluice.rules.top_k import TopK

Places = Sequence[tuple[int, ListRule]]


def conflict(rules: Sequence[ListRule]) -> str:
    """The first conflict among list rules in their order, or nothing."""
    places = list(enumerate(rules))
    checks = (_pins, _forbidden, _beyond, _unfillable, _disjoint, _capped)
    return next((problem for check in checks for problem in check(places)), "")


def _of(places: Places, kind: type[Any]) -> list[tuple[int, Any]]:
    return [(at, rule) for at, rule in places if isinstance(rule, kind)]


def _pins(places: Places) -> Iterator[str]:
    """Two pins that want one position, or one item at two."""
    position: dict[int, Any] = {}
    seen: set[Any] = set()
    for _, pin in _of(places, Pin):
        for at, value in enumerate(pin.values, pin.at):
            if at in position:
                yield f"position {at} is pinned to {position[at]} and to {value}"
            if value in seen:
                yield f"{value} is pinned twice"
            position[at] = value
            seen.add(value)


def _forbidden(places: Places) -> Iterator[str]:
    """A pin of what deny or allow forbids."""
    for _, pin in _of(places, Pin):
        for kind in (Deny, Allow):
            for _, rule in _of(places, kind):
                bad = [v for v in pin.values if rule.of is None and not rule.admits(v)]
                if bad:
                    verb = "forbids" if kind is Deny else "does not hold"
                    yield f"pin wants {bad[0]}, which {rule.rule} {verb}"


def _beyond(places: Places) -> Iterator[str]:
    """A pin beyond the end of the list."""
    for _, pin in _of(places, Pin):
        last = pin.at + len(pin.values) - 1
        for _, top in _of(places, TopK):
            if last > top.k:
                yield f"position {last} is pinned, and the list has {top.k} items at most"


def _unfillable(places: Places) -> Iterator[str]:
    """A quota of more items than the list has."""
    for _, quota in _of(places, AtLeast):
        for _, top in _of(places, TopK):
            if quota.table[-1] > top.k:
                wanted = quota.table[-1]
                yield f"{quota.rule} wants {wanted} items, and the list has {top.k} at most"


def _disjoint(places: Places) -> Iterator[str]:
    """Quotas of different values of one column that come to more than there is room."""
    quotas = [(quota, _equal(quota)) for _, quota in _of(places, Quota)]
    for first in {len(quota.table) for quota, _ in quotas}:
        wanted: dict[Any, dict[Any, int]] = {}
        for quota, (field, value) in quotas:
            if field is not None and len(quota.table) <= first:
                most = wanted.setdefault(field, {})
                most[value] = max(most.get(value, 0), quota.table[-1])
        for field, most in wanted.items():
            if sum(most.values()) > first:
                yield f"quotas by {field} want {sum(most.values())} of the first {first}"


def _capped(places: Places) -> Iterator[str]:
    """A quota of more items of a category than a cap lets in."""
    for _, quota in _of(places, Quota):
        field, value = _equal(quota)
        for _, cap in _of(places, Cap):
            covers = cap.first is None or cap.first >= len(quota.table)
            if cap.by == field and covers and quota.table[-1] > cap.most:
                found = f"{quota.table[-1]} of {field} {value}"
                yield f"quota wants {found}, and cap lets {cap.most} in"


def _equal(quota: Quota) -> tuple[Any, Any]:
    """The column and the one value of it that a quota is for, else nothing."""
    test: Mapping[str, Any] = quota.where.declared
    if test.get("op") == "==" and "field" in test:
        return test["field"], test.get("value")
    return None, None
