"""Has no function of the name that is asked for."""

from typing import Any


def handlers(context: Any, event: Any) -> Any:
    return "never"
