"""Calling a handler in this process, without sockets: for tests and notebooks."""

from __future__ import annotations

import asyncio
import inspect

from sluice.host.context import Context
from sluice.host.event import Event
from sluice.host.function import Handler, initialise, load
from sluice.host.response import Reply, reply


def call(handler: str | Handler, event: Event, context: Context | None = None) -> Reply:
    """The reply that a client would get for `event`; what the handler raises passes.

    Args:
        handler: the function, or its name as "pkg.mod:name".
        event: what it gets.
        context: a context that is initialised already; without one, a new one is made and
            `init_context` called, as for a new worker.
    """
    function = load(handler) if isinstance(handler, str) else handler
    return asyncio.run(_call(function, event, context))


async def _call(handler: Handler, event: Event, context: Context | None) -> Reply:
    if context is None:
        context = Context()
        await initialise(handler, context)
    output = handler(context, event)
    return reply(await output if inspect.iscoroutine(output) else output)
