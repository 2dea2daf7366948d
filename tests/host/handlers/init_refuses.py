"""Its init_context finds a declaration that is wrong."""

from typing import Any

from sluice.errors import DeclarationError


def init_context(context: Any) -> None:
    raise DeclarationError("features.yaml", "weather.temp", "unknown type 'numbre'")


def handler(context: Any, event: Any) -> Any:
    return "never"
