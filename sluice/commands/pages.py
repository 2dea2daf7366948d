"""Metrics and health beside a command that works until it is stopped."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from sluice.commands.show import say
from sluice.errors import SluiceError
from sluice.project import Project

if TYPE_CHECKING:
    from sluice.page_server import Pages


def port_option(parser: Any) -> None:
    """Declare --metrics-port."""
    text = "serve /metrics and health on this port"
    parser.add_argument("--metrics-port", type=int, metavar="N", help=text)


def serving(project: Project, port: int | None, pages: Pages) -> AbstractContextManager[Any]:
    """A server of pages while the block lasts, if a port is named. Raises SluiceError for one that
    is none, or is taken."""
    from sluice.page_server import PageServer, paged

    if port is None:
        return nullcontext()
    if not 0 <= port < 65_536:
        raise SluiceError(f"--metrics-port {port}: expected 0 to 65535")
    try:
        server = PageServer(project.settings.host, port, paged(pages))
    except OSError as error:
        raise SluiceError(f"--metrics-port {port}: {error.strerror}") from None
    say(f"metrics: http://{project.settings.host}:{server.port}/metrics")
    return server
