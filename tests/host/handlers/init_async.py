"""Its init_context is a coroutine that keeps something for the handler."""

import asyncio
from typing import Any


async def init_context(context: Any) -> None:
    await asyncio.sleep(0)
    context.user_data.greeting = "hello"


def handler(context: Any, event: Any) -> Any:
    return context.user_data.greeting
