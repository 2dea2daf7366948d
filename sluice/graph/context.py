"""What every step gets as `context`."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from sluice.errors import DeclarationError
from sluice.graph import refused
from sluice.graph.event import Event, Response
from sluice.graph.log import Log
from sluice.graph.spec import GraphSpec

ERROR_FORMAT = 1


class ErrorStream(Protocol):
    """Where errors go: each is a mapping in the shape of MLRun's error stream."""

    def push(self, data: dict[str, Any]) -> object: ...


class Context:
    """The engine as a step sees it. Steps and hosts may set further attributes on it.

    Args:
        spec: the graph's declaration; its parameters and secrets are read through the context.
        nuclio: the host's context; its logger, Response and worker_id are taken over.
        environ: environment variables, for secrets that come from there.
        open_stream: opens the graph's error_stream by its path.
        root: the folder that paths in the declaration are relative to.

    Raises:
        DeclarationError: for an error_stream that nothing opens, or a secrets file not there.
    """

    def __init__(
        self,
        spec: GraphSpec,
        *,
        nuclio: Any = None,
        environ: Mapping[str, str] | None = None,
        open_stream: Callable[[str], ErrorStream] | None = None,
        root: Path | None = None,
    ) -> None:
        self.name, self.project, self.verbose = spec.name, spec.project, spec.verbose
        self.logger: Any = getattr(nuclio, "logger", None) or Log()
        self.Response: Any = getattr(nuclio, "Response", Response)
        self.worker_id = getattr(nuclio, "worker_id", None) or 0
        self.parameters = dict(spec.parameters)
        self.is_mock = False
        self.current_function = ""
        self.application: Any = None  # the host's, for our own steps
        self._environ = dict(environ or {})
        self._secrets = _secrets(spec, self._environ, root or Path())
        self._errors = _open(spec, open_stream)

    def __getattr__(self, name: str) -> Any:
        hint = refused.CONTEXT.get(name)
        more = f", as it has under MLRun: {hint}" if hint else ""
        raise AttributeError(f"the graph's context has no {name!r}{more}")

    def get_param(self, key: str, default: Any = None) -> Any:
        """A parameter of the graph."""
        return self.parameters.get(key, default)

    def get_secret(self, key: str) -> str | None:
        """A secret of the graph's secret_sources, else an environment variable, else None."""
        return self._secrets.get(key) or self._environ.get(key)

    def conceal(self, error: BaseException, body: Any) -> None:
        """Take out of an error what the graph redacts, before anybody is told of it."""
        redaction = getattr(self.application, "redaction", None)
        if redaction:
            redaction.conceal(error, body)

    def _shown(self, body: Any) -> Any:
        redaction = getattr(self.application, "redaction", None)
        return redaction.body(body) if redaction else body

    def push_error(
        self, event: Event, message: str, source: str | None = None, **args: Any
    ) -> None:
        """Put an error on the graph's error stream, if it has one. Never changes the reply."""
        if self._errors is None:
            return
        entry = {
            "format": ERROR_FORMAT,
            "function_uri": f"{self.project}/{self.name}",
            "worker": self.worker_id,
            "host": socket.gethostname(),
            "source": source,
            "event": {"id": event.id, "body": self._shown(event.body)},
            "message": message,
            "args": args,
        }
        try:
            self._errors.push(entry)
        except Exception as error:  # whatever a stream raises: the caller gets the step's error
            self.logger.error(f"error stream of {self.name}: {error!r}; not pushed: {message}")


def _secrets(spec: GraphSpec, environ: Mapping[str, str], root: Path) -> dict[str, str]:
    pairs = [s.secrets(environ, root, spec.file) for s in spec.secret_sources]
    return {name: value for source in pairs for name, value in source}


def _open(spec: GraphSpec, open_stream: Callable[[str], ErrorStream] | None) -> ErrorStream | None:
    if not spec.error_stream:
        return None
    if open_stream is None:
        raise DeclarationError(spec.file, "error_stream", "nothing opens streams here")
    return open_stream(spec.error_stream)
