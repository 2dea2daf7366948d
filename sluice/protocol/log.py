"""Python's log of Sluice, through the logger that the host gives: one line a record, structured."""

from __future__ import annotations

import logging
import traceback
from typing import Any

_METHODS = {logging.DEBUG: "debug_with", logging.INFO: "info_with", logging.WARNING: "warn_with"}


class HostHandler(logging.Handler):
    """Hands records to a Nuclio logger. `extra={"with": {…}}` become its fields."""

    def __init__(self, logger: Any) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, with the traceback of an exception that comes with it."""
        fields = dict(getattr(record, "with", {}))
        if record.exc_info and record.exc_info[0] is not None:
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        method = _METHODS.get(record.levelno, "error_with")
        getattr(self._logger, method)(record.getMessage(), **fields)


def through(logger: Any) -> None:
    """Let everything under the logger `sluice` go through the host's logger, and only there."""
    own = logging.getLogger("sluice")
    for handler in [h for h in own.handlers if isinstance(h, HostHandler)]:
        own.removeHandler(handler)
    own.addHandler(HostHandler(logger))
    own.setLevel(logging.INFO)
    own.propagate = False
