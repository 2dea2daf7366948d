from __future__ import annotations

import socket
import sys

import pytest

from sluice.host.switchboard import bytes_sent


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_bytes_sent_counts_what_is_read_and_what_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        with client, accepted:
            assert bytes_sent(accepted) == 0
            accepted.sendall(b"x" * 100)
            assert bytes_sent(accepted) == 100
            client.recv(60)
            accepted.setblocking(False)
            total = 100 + accepted.send(b"y" * 30_000_000)
            assert 100 < total < 30_000_000
            assert bytes_sent(accepted) == total
