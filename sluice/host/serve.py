"""Serving a Nuclio handler from this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sluice.host.options import HostOptions
from sluice.host.prefork import Prefork


class Server(Protocol):
    """A host of handlers: `run` serves until the process is told to stop, then returns."""

    def run(self) -> None: ...


Preload = Callable[[], None]


def serve(
    handler: str,
    *,
    options: HostOptions | None = None,
    preload: Preload | None = None,
    server: Callable[[str, HostOptions, Preload | None], Server] = Prefork,
) -> None:
    """Run a handler until SIGTERM or SIGINT. Call it in the main thread.

    Each worker imports the handler's module and calls its `init_context` for itself; requests in
    flight at the stop are answered.

    Args:
        handler: "pkg.mod:name"; its folder must be on sys.path.
        options: see HostOptions.
        preload: called once before the workers are forked, to import what they all need: its
            pages are shared. It must start no threads and open no databases.
        server: another host of handlers, made from the same three.

    Raises:
        SluiceError: when no worker comes up. For what trying again can't mend (DeclarationError,
            VersionRefused, NotFound) it has the error's text, at the first start.
        OSError: when the address can't be listened on.
    """
    server(handler, options or HostOptions(), preload).run()
