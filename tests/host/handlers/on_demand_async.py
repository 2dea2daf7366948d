"""The same as a coroutine; counts how many events are under way at once."""

import asyncio
import os
from typing import Any

under_way = 0


async def handler(context: Any, event: Any) -> Any:
    global under_way  # noqa: PLW0603
    under_way += 1
    most = under_way
    await asyncio.sleep(float(event.fields.get("ms", 1)) / 1000)
    most = max(most, under_way)
    under_way -= 1
    if event.path == "/die":
        os._exit(9)
    return {"most": most, "body": event.body.decode()}
