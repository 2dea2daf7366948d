"""Every error that Sluice raises on purpose, and whose fault each is.

    SluiceError                      500  ours
    ├── DeclarationError             500  a file of the project is wrong: file, step, field
    ├── VersionRefused               500  a model version is damaged or does not fit: file, why
    ├── GateFailed                   500  a version may not become champion: check, evidence
    ├── StoreUnavailable             503  a store or a stream does not answer (may be tried again)
    └── RequestError                 400  the caller's: malformed
        ├── Unauthorized             401
        ├── Forbidden                403
        ├── NotFound                 404  unknown model, version or path
        ├── MethodNotAllowed         405
        ├── TooLarge                 413
        ├── RecordError              422  a record breaks the schema: record, field, found, allowed
        ├── TooManyRequests          429  Retry-After
        ├── Unavailable              503  full or starting: Retry-After
        └── DeadlineExceeded         504

An exception outside this tree is a defect: it is answered 500 with a sentence that names the
request, never the exception's text. `status` is all that a protocol needs to translate one.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class SluiceError(Exception):
    """The root. `public` says whether the text may be shown to a caller."""

    status = 500
    public = False
    retry_after_s: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles keep text and fields; MLRun's asynchronous engine copies errors."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class DeclarationError(SluiceError):
    """A declaration that people write is wrong.

    Says where (file, then step or section, then field), what was found, and what would do.
    """

    def __init__(self, file: object, where: str, problem: str, hint: str = "") -> None:
        self.file, self.where, self.problem, self.hint = str(file), where, problem, hint
        place = f"{file}: {where}" if where else str(file)
        super().__init__(f"{place}: {problem}" + (f" ({hint})" if hint else ""))


class VersionRefused(SluiceError):
    """A model version is not loaded: damaged, half written, of a newer format, or not fitting."""

    def __init__(self, graph: str, version: str, file: str, why: str, hint: str = "") -> None:
        self.graph, self.version, self.file, self.why = graph, version, file, why
        text = f"{graph} version {version}: {file}: {why}"
        super().__init__(text + (f" ({hint})" if hint else ""))


class GateFailed(SluiceError):
    """A version may not become champion; `evidence` is what the check saw."""

    def __init__(self, check: str, why: str, evidence: Any = None) -> None:
        self.check, self.why, self.evidence = check, why, evidence
        super().__init__(f"gate {check}: {why}")


class StoreUnavailable(SluiceError):
    """A store or stream that the answer needs does not respond; trying again may do.

    Its text names places, so a caller is only told that.
    """

    status = 503
    retry_after_s = 1


class RequestError(SluiceError):
    """The request is malformed, or asks for what is not there."""

    status = 400
    public = True


class Unauthorized(RequestError):
    """Not known who asks. `challenge` is what the reply's WWW-Authenticate says (RFC 6750)."""

    status = 401
    challenge = 'Bearer realm="sluice"'


class Forbidden(RequestError):
    """Known who asks, who may not."""

    status = 403
    challenge = 'Bearer realm="sluice", error="insufficient_scope"'


class NotFound(RequestError):
    status = 404


class MethodNotAllowed(RequestError):
    status = 405

    def __init__(self, method: str, path: str, allowed: Iterable[str]) -> None:
        self.allowed = tuple(allowed)
        super().__init__(f"{method} is not allowed on {path}: use {' or '.join(self.allowed)}")


class TooLarge(RequestError):
    status = 413


class RecordError(RequestError):
    """One record breaks the schema. `record` is its index in the request, from 0."""

    status = 422

    def __init__(self, field: str, problem: str, record: int | None = None) -> None:
        self.field, self.problem, self.record = field, problem, record
        super().__init__(f"{field}: {problem}" if field else problem)


class TooManyRequests(RequestError):
    status = 429
    retry_after_s = 1


class Unavailable(RequestError):
    status = 503
    retry_after_s = 1


class DeadlineExceeded(RequestError):
    status = 504


def told(error: Exception) -> str:
    """What a caller may read of an error: the text of ours that quote no place of this machine."""
    if isinstance(error, VersionRefused) or (isinstance(error, SluiceError) and error.public):
        return str(error)
    return f"{type(error).__name__}; the log has the reason"


def nearest(found: str, allowed: Iterable[str]) -> str:
    """A hint for an unknown name: the nearest allowed one, and all of them.

    >>> nearest("carier", ["carrier", "origin"])
    "did you mean 'carrier'? allowed: carrier, origin"
    """
    names = [str(name) for name in allowed]
    close = get_close_matches(str(found), names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    return f"{guess}allowed: {', '.join(sorted(names)) or 'nothing'}"
