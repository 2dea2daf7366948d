"""Its init_context raises while a file is there."""

import os
from pathlib import Path
from typing import Any


def init_context(context: Any) -> None:
    if Path(os.environ["INIT_FAILS_WITH"]).exists():
        raise RuntimeError("the flag is up")


def handler(context: Any, event: Any) -> Any:
    return "ok"
