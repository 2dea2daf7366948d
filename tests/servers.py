"""Servers that tests talk to: Redis (Debian's package redis-server), moto's for S3 and DynamoDB.

Each is started once, when first asked for, and ends with the tests.
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

REGION = "eu-central-1"
_PR_SET_PDEATHSIG = 1
_PRCTL = getattr(ctypes.CDLL(None), "prctl", None)  # looked up here: the child must not
# What AWS's SDK asks for; moto takes any.
ACCESS = {"aws_access_key_id": "tests", "aws_secret_access_key": "a secret that no text may show"}


class RedisServer:
    """A Redis of its own on a free port, that keeps what it was told over a kill."""

    def __init__(self, *arguments: str) -> None:
        binary = shutil.which("redis-server")
        if binary is None:
            pytest.skip("there is no redis-server (Debian: apt-get install redis-server)")
        self._folder = tempfile.mkdtemp(prefix="sluice-redis-")
        self.port = free_port()
        self._command = [
            binary, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self._folder,
            "--save", "", "--appendonly", "yes", "--appendfsync", "always", *arguments,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        atexit.register(self.close)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            preexec_fn=end_with_parent,  # noqa: PLW1509 (one system call, that takes no lock)
        )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError("redis-server does not come up")

    def kill(self) -> None:
        """As a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self, going_on: bool = False) -> None:
        """Make it hang, or go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT if going_on else signal.SIGSTOP)

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


def end_with_parent(number: int = signal.SIGKILL) -> None:
    """Let the kernel send this process a signal when the tests are killed (Linux)."""
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, number)


@cache
def shared_redis() -> RedisServer:
    """The Redis that tests share, each in a graph of its own; nobody kills it."""
    return RedisServer()


@cache
def aws() -> str:
    """The address of moto's server: S3, DynamoDB and others, empty at first."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    _, port = server.get_host_and_port()
    return f"http://127.0.0.1:{port}"


def let_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials where the SDK looks them up."""
    for name, value in ACCESS.items():
        monkeypatch.setenv(name.upper(), value)


def empty_aws() -> None:
    """Forget all that moto's server was told: the more it holds, the slower it is."""
    urlopen(Request(f"{aws()}/moto-api/reset", method="POST")).close()


def client(service: str) -> Any:
    """A client of the SDK of one of moto's services, to look behind a store."""
    import boto3

    return boto3.client(service, endpoint_url=aws(), region_name=REGION, **ACCESS)


def bucket() -> str:
    """The name of a bucket, made if it is not there."""
    where = {"LocationConstraint": REGION}
    with suppress(client("s3").exceptions.BucketAlreadyOwnedByYou):
        client("s3").create_bucket(Bucket="sluice", CreateBucketConfiguration=where)
    return "sluice"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def name_of(path: Path) -> str:
    """A name for what a test has to itself, from its temporary folder."""
    return path.as_posix().strip("/").replace("/", "-").replace("_", "-").lower()
