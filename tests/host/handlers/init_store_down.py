"""Its init_context needs a store that does not answer."""

from typing import Any

from sluice.errors import StoreUnavailable


def init_context(context: Any) -> None:
    raise StoreUnavailable("the store does not answer")


def handler(context: Any, event: Any) -> Any:
    return "never"
