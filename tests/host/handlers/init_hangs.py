"""Its init_context takes too long."""

import time
from typing import Any


def init_context(context: Any) -> None:
    time.sleep(60)


def handler(context: Any, event: Any) -> Any:
    return "never"
