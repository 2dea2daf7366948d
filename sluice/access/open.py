"""The access to a graph that the settings ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sluice.access.access import Access
from sluice.access.keys import Keys, parse
from sluice.errors import DeclarationError, nearest
from sluice.project import Project
from sluice.settings import Settings

if TYPE_CHECKING:
    from sluice.access.tokens import Tokens

PAGES = {"metrics": "/metrics", "openapi": "/openapi.json"}
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_guarded(settings: Settings) -> bool:
    """Whether callers have to say who they are."""
    return bool(settings.api_keys or settings.api_keys_file or settings.jwks_url)


def open_access(project: Project, graph: str) -> Access | None:
    """Who may ask a graph; None when everybody may.

    Raises DeclarationError for settings that do not fit together, without quoting a sum or a key.
    """
    settings = project.settings
    public = [_page(name) for name in _list(settings.public)]
    if not is_guarded(settings):
        return None
    keys = None
    if settings.api_keys or settings.api_keys_file:
        file = project.root / settings.api_keys_file if settings.api_keys_file else None
        keys = Keys(parse(_list(settings.api_keys), "settings", "api_keys: entry"), file)
    tokens = _tokens(settings, graph) if settings.jwks_url else None
    return Access(graph, keys=keys, tokens=tokens, public=public)


def _tokens(settings: Settings, graph: str) -> Tokens:
    # Here, so that without tokens nothing of it is loaded, nor need be there.
    from sluice.access.jwks import KeySet, fetcher
    from sluice.access.tokens import ALGORITHMS, Tokens, Wanted

    algorithms = _list(settings.jwt_algorithms)
    if not algorithms:
        raise _error("jwt_algorithms", "names no algorithm", "RS256,ES256")
    for name in algorithms:
        if name not in ALGORITHMS:
            raise _error("jwt_algorithms", f"unknown {name!r}", nearest(name, ALGORITHMS))
    wanted = Wanted(
        issuer=_required(settings.jwt_issuer, "jwt_issuer"),
        audience=_required(settings.jwt_audience, "jwt_audience"),
        algorithms=algorithms,
        scope=settings.jwt_scope.replace("{graph}", graph),
        leeway_s=settings.jwt_leeway,
    )
    return Tokens(KeySet(fetcher(_secure(settings.jwks_url))), wanted)


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _page(name: str) -> str:
    if name not in PAGES:
        raise _error("public", f"unknown page {name!r}", nearest(name, PAGES))
    return PAGES[name]


def _required(value: str, name: str) -> str:
    if not value:
        hint = "without it, tokens made for others would be taken"
        raise _error(name, "is missing, and jwks_url is set", hint)
    return value


def _secure(url: str) -> str:
    """The URL, if nobody on the way can exchange the keys. Raises DeclarationError."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise _error("jwks_url", "is not an https:// address", "http:// is taken of 127.0.0.1 only")
    return url


def _error(setting: str, problem: str, hint: str) -> DeclarationError:
    return DeclarationError("settings", setting, problem, hint)
