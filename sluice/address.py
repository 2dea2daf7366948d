"""Addresses of stores: URLs with options, that may hold secrets and are shown without them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from sluice.errors import DeclarationError, nearest

Option = float | str


@dataclass(frozen=True)
class Address:
    """A URL in its parts. Its text has neither user, password nor options.

    Attributes:
        names: the parts of the path, none of them empty.
        options: what stands after the question mark, with the defaults of what does not.
    """

    what: str
    scheme: str
    host: str
    port: int | None
    names: tuple[str, ...]
    options: Mapping[str, Any] = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        place = f"{self.host}:{self.port}" if self.port else self.host
        return f"{self.scheme}://{'/'.join((place, *self.names))}"

    def error(self, problem: str, hint: str = "") -> DeclarationError:
        """A DeclarationError about this address."""
        return DeclarationError(self.what, str(self), problem, hint)


def shown(url: str) -> str:
    """A URL as errors and logs may quote it: with neither user, password nor options.

    >>> shown("kafka://me:secret@one:9092/?sasl.password=secret")
    'kafka://one:9092/'
    """
    scheme, mark, rest = url.partition("://")
    return scheme + mark + rest.partition("?")[0].rpartition("@")[2]


def read_address(url: str, what: str, options: Mapping[str, Option]) -> Address:
    """The parts of a URL.

    Args:
        url: with a host, and options as in `?timeout=0.5`.
        what: the kind of store, for errors.
        options: the default of each option; one that is a number takes a number above 0.

    Raises DeclarationError for an option that there is not, or a value that does not fit.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # The text of the error quotes the URL.
        raise DeclarationError(what, url.partition("://")[0], "is no URL") from None
    plain = _address(parts, port, what, options)
    given: dict[str, Any] = dict(options)
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        if name not in options:
            raise plain.error(f"has no option {name!r}", nearest(name, options))
        given[name] = _read(plain, name, text) if isinstance(options[name], float) else text
    return _address(parts, port, what, given)


def _address(
    parts: SplitResult, port: int | None, what: str, options: Mapping[str, Any]
) -> Address:
    return Address(
        what=what,
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=port,
        names=tuple(unquote(name) for name in parts.path.split("/") if name),
        options=options,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _read(address: Address, name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise address.error(f"option {name}: expected a number above 0, found {text!r}")
    return number


def load(what: str, place: str, module: str, package: str) -> Any:
    """A module of ours that needs an optional package. Raises DeclarationError naming it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sluice"):
            raise  # a defect of ours
        hint = f"pip install {package}"
        raise DeclarationError(what, place, f"needs the package {package}", hint) from error
