"""The local host of Nuclio handlers: any `handler(context, event)` over HTTP, without Docker."""

from sluice.host.board import HostState
from sluice.host.call import call
from sluice.host.context import Context
from sluice.host.event import Event, Trigger
from sluice.host.logger import Logger
from sluice.host.options import HostOptions
from sluice.host.response import Reply, Response, reply
from sluice.host.serve import Server, serve

__all__ = [
    "Context", "Event", "HostOptions", "HostState", "Logger", "Reply", "Response", "Server",
    "Trigger", "call", "reply", "serve",
]  # fmt: skip
