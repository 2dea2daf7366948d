"""Does what the path says: hangs, dies, sleeps so many milliseconds, or tells its process id."""

import os
import signal
import time
from typing import Any


def handler(context: Any, event: Any) -> Any:
    if event.path == "/hang":
        time.sleep(60)
    if event.path == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    if event.path == "/sleep":
        time.sleep(float(event.fields["ms"]) / 1000)
    return str(os.getpid())
