"""From a declaration to a condition, checked against the declared types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sluice.conditions.compare import OPS, Comparison
from sluice.conditions.condition import Condition, Joined, Not
from sluice.conditions.subject import FieldSubject, HeaderSubject, Subject, TimeSubject
from sluice.errors import nearest
from sluice.features.definitions import Definitions

_JOINED = ("all", "any", "not")


def read_condition(data: Any, where: str, definitions: Definitions) -> Condition:
    """The condition that a declaration describes. Raises ValueError that names the place."""
    if not isinstance(data, Mapping) or not data:
        raise ValueError(f"{where}: expected a condition, found {data!r}")
    made = [kind for kind in _JOINED if kind in data]
    if made:
        if len(data) > 1:
            raise ValueError(f"{where}: {made[0]} stands alone, found {', '.join(map(str, data))}")
        return _joined(made[0], data[made[0]], f"{where}.{made[0]}", definitions)
    return _read_test(dict(data), where, definitions)


def _joined(kind: str, data: Any, where: str, definitions: Definitions) -> Condition:
    if kind == "not":
        return Not(read_condition(data, where, definitions))
    if not isinstance(data, list) or not data:
        raise ValueError(f"{where}: expected a list of conditions, found {data!r}")
    parts = [read_condition(d, f"{where}[{i}]", definitions) for i, d in enumerate(data)]
    return Joined(kind, parts)


_EQUAL = ("==", "!=", "missing")
_ORDERED = (*_EQUAL, "<", "<=", ">", ">=", "between", "in", "not in")
_FITTING = {
    "string": (*_EQUAL, "in", "not in", "prefix"), "boolean": _EQUAL,
    "integer": _ORDERED, "number": _ORDERED, "timestamp": _ORDERED,
}  # fmt: skip
_KINDS = ("field", "header", "time")


def _read_test(data: dict[Any, Any], where: str, definitions: Definitions) -> Condition:
    allowed = (*_KINDS, "op", "value", "zone")
    for name in data:
        if name not in allowed and name not in _JOINED:
            raise ValueError(f"{where}: unknown {name!r}: {nearest(str(name), allowed + _JOINED)}")
    kinds = [kind for kind in _KINDS if kind in data]
    if len(kinds) != 1:
        raise ValueError(f"{where}: expected one of {', '.join(_KINDS + _JOINED)}")
    kind = kinds[0]
    try:
        subject = _subject(kind, data, definitions)
    except ValueError as error:
        raise ValueError(f"{where}.{kind}: {error}") from None
    op, fitting = data.get("op"), _FITTING[subject.type]
    if op not in fitting:
        problem = f"{op!r} does not fit {subject.text}, which is a {subject.type}"
        if op not in tuple(OPS):
            problem = f"no operator {op!r}"
        raise ValueError(f"{where}.op: {problem}: {nearest(str(op), fitting)}")
    value = _value(subject, op, data, where)
    shown = "" if op == "missing" else f" {data['value']}"
    return Comparison(subject, op, value, f"{subject.text} {op}{shown}")


def _subject(kind: str, data: Mapping[Any, Any], definitions: Definitions) -> Subject:
    name = data[kind]
    if not isinstance(name, str):
        raise ValueError(f"expected a name, found {name!r}")
    if kind == "time":
        return TimeSubject(name, data.get("zone", "UTC"))
    if "zone" in data:
        raise ValueError("only a time has a zone")
    return HeaderSubject(name) if kind == "header" else FieldSubject(name, definitions)


def _value(subject: Subject, op: str, data: Mapping[Any, Any], where: str) -> Any:
    """What is compared with, typed as the subject is."""
    if op == "missing":
        if "value" in data:
            raise ValueError(f"{where}.value: missing has none")
        return None
    if "value" not in data:
        raise ValueError(f"{where}.value: is missing")
    value = data["value"]
    if op not in ("in", "not in", "between"):
        return _typed(subject, value, f"{where}.value")
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where}.value: expected a list, found {value!r}")
    typed = [_typed(subject, v, f"{where}.value[{i}]") for i, v in enumerate(value)]
    if op == "between":
        if len(typed) != 2 or typed[0] > typed[1]:
            raise ValueError(f"{where}.value: expected the lower and the upper end, found {value}")
        return tuple(typed)
    return frozenset(typed)


def _typed(subject: Subject, value: Any, where: str) -> Any:
    try:
        typed = subject.convert(value)
        if typed != typed:
            raise ValueError("a number")
        return typed
    except ValueError as error:
        problem = f"{subject.text} is a {subject.type}: expected {error}, found {value!r}"
        raise ValueError(f"{where}: {problem}") from None
