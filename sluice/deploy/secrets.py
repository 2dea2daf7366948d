"""Variables of a deployed function: by value, and by reference where a value must not be seen."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import NamedTuple

from sluice.declaration import Section
from sluice.errors import nearest
from sluice.settings import PREFIX, Settings

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)/([-._a-zA-Z0-9]+)")
_SECRET_NAME = re.compile(r"(passw(or)?d|secret|token|salt|credentials?|_key|_headers)$", re.I)
_SECRET_VALUE = re.compile(r"://[^/@\s]*:[^/@\s]+@|(password|secret|token|jaas)[\w.]*=", re.I)
# What the rendering sets itself.
_TAKEN = ("SLUICE_GRAPH", "SLUICE_PROJECT", "SLUICE_STATE", "SLUICE_NEXT")


class Reference(NamedTuple):
    """A key of a Kubernetes Secret."""

    secret: str
    key: str


def references(section: Section) -> dict[str, Reference]:
    """Variables by the secret and key that hold them, written `secret/key`.

    Raises DeclarationError naming the variable; its text does not quote what was written there.
    """
    found = {}
    for name in section.names:
        _check_name(section, name)
        found[name] = reference(section, name)
    return found


def reference(section: Section, name: str) -> Reference:
    """The key of a secret that a field names. Raises DeclarationError, without quoting it."""
    match = _REFERENCE.fullmatch(section.take(name, str))
    if match is None:
        raise section.error(name, "names no key of a secret", "write SECRET/KEY")
    return Reference(*match.groups())


def variables(section: Section) -> dict[str, str]:
    """Variables by value. What looks like a secret is refused, and not quoted."""
    found = {}
    for name in section.names:
        _check_name(section, name)
        value = section.take(name, (str, int, float, bool))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if _SECRET_NAME.search(name) or _SECRET_VALUE.search(text):
            hint = f"put it into a secret, and {name}: SECRET/KEY under secrets"
            raise section.error(name, "looks like a secret, and would be seen by everyone", hint)
        found[name] = text
    return found


def _check_name(section: Section, name: str) -> None:
    if not _VARIABLE.fullmatch(name):
        raise section.error(name, "is no name of a variable", "letters, digits and _")
    if name in _TAKEN:
        raise section.error(name, "is set by the rendering", "leave it out")
    settings = {f.name for f in fields(Settings) if not f.metadata.get("internal")}
    if name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in settings:
        known = [PREFIX + s.upper() for s in settings]
        raise section.error(name, "no such setting", nearest(name, known))
