"""Raises an error whose text must not get out; or ends itself when it is told to."""

import sys
from typing import Any


def handler(context: Any, event: Any) -> Any:
    if event.path == "/exit":
        sys.exit(7)
    raise KeyError("the secret of the house")
