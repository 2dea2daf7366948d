"""A logger with the methods that steps know from Nuclio's, over Python's own logging."""

from __future__ import annotations

import logging
from typing import Any


class Log:
    """`info("text %s", x)` and `info_with("text", key=value)`, likewise debug, warn and error."""

    def __init__(self, name: str = "sluice.graph") -> None:
        self._log = logging.getLogger(name)

    def debug(self, message: str, *args: Any) -> None:
        self._log.debug(message, *args)

    def info(self, message: str, *args: Any) -> None:
        self._log.info(message, *args)

    def warn(self, message: str, *args: Any) -> None:
        self._log.warning(message, *args)

    warning = warn

    def error(self, message: str, *args: Any) -> None:
        self._log.error(message, *args)

    def debug_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log.debug(_joined(message, fields), *args)

    def info_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log.info(_joined(message, fields), *args)

    def warn_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log.warning(_joined(message, fields), *args)

    def error_with(self, message: str, *args: Any, **fields: Any) -> None:
        self._log.error(_joined(message, fields), *args)


def _joined(message: str, fields: dict[str, Any]) -> str:
    pairs = " ".join(f"{name}={value!r}" for name, value in fields.items()).replace("%", "%%")
    return f"{message} {pairs}" if pairs else message
