"""Tells in which process its module was imported."""

import os
from typing import Any

imported_in = os.getpid()


def preload() -> None:
    """The import is all."""


def handler(context: Any, event: Any) -> Any:
    return {"imported_in": imported_in, "parent": os.getppid(), "here": os.getpid()}
