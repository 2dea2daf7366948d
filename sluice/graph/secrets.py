"""Secrets that a graph's `secret_sources` name, as `context.get_secret` gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.declaration import Section
from sluice.errors import DeclarationError, nearest
from sluice.graph.refused import SECRET_KINDS

_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


@dataclass(frozen=True)
class SecretSource:
    """Where secrets come from: `inline` a mapping, `file` lines of key=value, `env` and
    `kubernetes` names of environment variables. Each name is prefixed with `prefix`.
    """

    kind: str
    source: Any
    prefix: str = ""
    where: str = ""

    @classmethod
    def read(cls, section: Section) -> SecretSource:
        """Raises DeclarationError for an unknown or refused kind, or a source of a wrong type."""
        kind = section.take("kind", str)
        if kind in SECRET_KINDS:
            raise section.error("kind", f"{kind} is not supported", SECRET_KINDS[kind])
        if kind not in _SOURCES:
            raise section.error("kind", f"unknown value {kind!r}", nearest(kind, _SOURCES))
        source = section.take("source", _SOURCES[kind])
        prefix = section.take("prefix", str, "")
        section.done()
        return cls(kind, source, prefix, section.where)

    def secrets(
        self, environ: Mapping[str, str], root: Path, file: str
    ) -> Iterator[tuple[str, str]]:
        """The secrets of this source, by name; variables that are not set are left out."""
        for name, value in self._values(environ, root, file):
            yield self.prefix + name, value

    def _values(
        self, environ: Mapping[str, str], root: Path, file: str
    ) -> Iterator[tuple[str, str]]:
        if self.kind == "inline":
            yield from ((name, str(value)) for name, value in self.source.items())
        elif self.kind == "file":
            yield from self._lines(environ, root, file)
        else:
            names = self.source.split(",") if self.kind == "env" else self.source
            for name in (str(name).strip() for name in names):
                if name in environ:
                    yield name, environ[name]

    def _lines(
        self, environ: Mapping[str, str], root: Path, file: str
    ) -> Iterator[tuple[str, str]]:
        try:
            text = (root / self.source).read_text("utf-8")
        except OSError as error:
            problem = f"cannot read {self.source!r}: {error.strerror}"
            raise DeclarationError(file, f"{self.where}.source", problem) from None
        for line in text.splitlines():
            name, equals, value = line.partition("=")
            if equals:
                yield name.strip(), _expand(value.strip(), environ)


_SOURCES: dict[str, Any] = {"env": str, "file": str, "inline": Mapping, "kubernetes": list}


def _expand(value: str, environ: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: environ.get(found[1] or found[2], found[0]), value)
