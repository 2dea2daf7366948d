"""Aliases: names such as champion and challenger that point at a version, and how they move."""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

from sluice.errors import DeclarationError, NotFound

FORMAT = 1
_ALIAS = re.compile(r"[a-z][a-z0-9-]*")


class Alias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an alias points.

    since is UTC, ISO 8601; by is who moved it; trail holds the versions that it named before,
    oldest first: a promotion adds to it, a rollback takes from it.
    """

    version: str
    since: str
    by: str
    trail: list[str]

    @property
    def previous(self) -> str | None:
        """The version that a rollback goes back to, if there is one."""
        return self.trail[-1] if self.trail else None


class Move(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One move of one alias, as the history keeps it. `number` counts a graph's moves from 1."""

    format: int
    number: int
    action: Literal["promote", "rollback"]
    alias: str
    version: str
    previous: str | None
    at: str
    by: str
    evidence: Any


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All aliases of one graph. `moves` is the number of the last move that counts."""

    format: int = FORMAT
    moves: int = 0
    aliases: dict[str, Alias] = {}

    def promote(self, alias: str, version: str, at: str, by: str) -> Table:
        """The table with `alias` at `version`."""
        check_alias(alias)
        old = self.aliases.get(alias)
        trail = [*old.trail, old.version] if old else []
        return self._with(alias, Alias(version, at, by, trail))

    def rollback(self, alias: str, at: str, by: str) -> Table:
        """The table with `alias` one step further back. Raises NotFound when there is none."""
        old = self.aliases.get(alias)
        if old is None or old.previous is None:
            raise NotFound(f"{alias} has no earlier version to go back to")
        return self._with(alias, Alias(old.previous, at, by, old.trail[:-1]))

    def _with(self, name: str, alias: Alias) -> Table:
        return Table(self.format, self.moves + 1, {**self.aliases, name: alias})


def move_of(action: str, alias: str, old: Table, new: Table, evidence: Any) -> Move:
    """The move of `alias` between two tables, as the history keeps it."""
    before, now = old.aliases.get(alias), new.aliases[alias]
    fields = {
        "format": FORMAT,
        "number": new.moves,
        "action": action,
        "alias": alias,
        "version": now.version,
        "previous": before.version if before else None,
        "at": now.since,
        "by": now.by,
        "evidence": evidence,
    }
    return msgspec.convert(fields, Move)


def check_alias(name: str) -> None:
    """Raise DeclarationError when `name` cannot be an alias (a number would be a version)."""
    if not _ALIAS.fullmatch(name):
        hint = "lower-case letters, digits and hyphens, beginning with a letter"
        raise DeclarationError("alias", "", f"{name!r} cannot be an alias", hint)
