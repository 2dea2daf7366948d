"""Structured logging with the methods of Nuclio's logger: one record, one line."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from sluice.host.response import to_json

_LEVELS = {"debug": 10, "info": 20, "warn": 30, "error": 40}


class Logger:
    """Writes records to a stream as text or JSON lines.

    In text, a `traceback` follows its record on lines of its own; in JSON it is a field.

    Args:
        level: the least level that is written: debug, info, warn or error.
        form: text or json.
        worker: who speaks, in every record.
        stream: where to; standard error when not given.
        clock: wall-clock seconds since 1970.

    >>> Logger(worker="0", stream=sys.stdout, clock=lambda: 0.0).info_with("ready", port=8080)
    1970-01-01T00:00:00.000Z info  [0] ready port=8080
    """

    def __init__(
        self,
        level: str = "info",
        form: str = "text",
        worker: str = "-",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._level = _LEVELS[level]
        self._json = form == "json"
        self._worker = worker
        self._stream = stream
        self._clock = clock
        self._bound: dict[str, Any] = {}

    def bind(self, **fields: Any) -> None:
        """Put these fields into every record from now on."""
        self._bound.update(fields)

    def debug(self, message: str, *args: Any) -> None:
        self._log("debug", message, args, {})

    def info(self, message: str, *args: Any) -> None:
        self._log("info", message, args, {})

    def warn(self, message: str, *args: Any) -> None:
        self._log("warn", message, args, {})

    def error(self, message: str, *args: Any) -> None:
        self._log("error", message, args, {})

    def debug_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log("debug", message, args, fields)

    def info_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log("info", message, args, fields)

    def warn_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log("warn", message, args, fields)

    def error_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log("error", message, args, fields)

    def _log(self, level: str, message: str, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        if _LEVELS[level] < self._level:
            return
        text = str(message) % args if args else str(message)
        line = (self._as_json if self._json else self._as_text)(level, text, fields | self._bound)
        stream = self._stream or sys.stderr
        stream.write(line + "\n")  # one write, so that lines of two workers do not mix
        stream.flush()

    def _time(self) -> str:
        now = self._clock()
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{seconds}.{int(now * 1000) % 1000:03d}Z"

    def _as_json(self, level: str, text: str, fields: dict[str, Any]) -> str:
        record = {"datetime": self._time(), "level": level, "worker": self._worker, "message": text}
        return to_json(record | ({"with": fields} if fields else {}))

    def _as_text(self, level: str, text: str, fields: dict[str, Any]) -> str:
        trace = str(fields.pop("traceback", "")).rstrip()
        words = [f"{name}={_word(value)}" for name, value in fields.items()]
        head = " ".join([text.replace("\n", "\\n"), *words])
        body = "\n    " + trace.replace("\n", "\n    ") if trace else ""
        return f"{self._time()} {level:5} [{self._worker}] {head}{body}"


def _word(value: Any) -> str:
    text = str(value)
    return to_json(text) if not text or any(c in text for c in ' "=\n\r') else text
