"""What many connections have to say, in one look, and their replies in one go: the plain case.

It needs the compiled part (_poll.c, of Linux); where an installation has none, each connection
is watched, read and written by itself. What it does is what connection.py does; whether a
connection has anything under way, the board tells both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from sluice.compiled import POLL, compiled
from sluice.host.board import Board
from sluice.host.event import Event, Trigger
from sluice.host.head import shapes
from sluice.host.options import HostOptions
from sluice.host.response import Reply
from sluice.host.wire import start

if TYPE_CHECKING:
    from sluice.host.connection import Connection


class Poll(Protocol):
    """The connections of a worker that are watched for bytes."""

    def fileno(self) -> int:
        """A descriptor that is readable when one of them has something to say."""

    def watch(self, slot: int, fd: int, connection: Connection | None) -> None:
        """Watch a connection, or with None no longer."""

    def take(
        self, most: int, received: float
    ) -> tuple[list[Connection], list[Event], list[tuple[Connection, bytes | None]]]:
        """Read what connections have to say.

        Args:
            most: so many of them; with 0 none is read.
            received: the events' time, wall-clock seconds since 1970.

        Returns:
            Connections of which a whole request with a known head was read, that have it as their
            `event` and are BEGUN on the board; these events; and of the other connections the
            bytes that were read, or None where nothing was.
        """

    def give(
        self, batch: list[Connection], replies: list[Any], date: bytes, deadline: float
    ) -> list[tuple[int, bytes | None, int]]:
        """Send the replies to what was taken last.

        Args:
            batch: the connections that were taken.
            replies: one for each.
            date: the line of the replies' heads.
            deadline: that of connections that are idle then.

        Returns:
            Where something is left to do, the place in the batch with a reply that is not plain
            (None), or with one that was sent in part and the bytes sent; −1, if the client is gone.
        """


def open_poll(board: Board, options: HostOptions, trigger: Trigger) -> Poll | None:
    """None where the installation has no compiled part."""
    make = compiled("Poll", POLL)
    if make is None:
        return None
    sizes = options.max_header_bytes, options.max_body_bytes
    poll: Poll = make(board.state, board.sent, shapes, Event, Reply, trigger, start, *sizes)
    return poll
