"""The host is light: what it imports, and how it is typed as a server."""

from __future__ import annotations

import subprocess
import sys

from sluice.host import HostOptions, serve

HEAVY = {"mlrun", "nuclio_sdk", "pandas", "sklearn", "xgboost", "numpy", "onnxruntime", "yaml"}


def test_imports_nothing_heavy() -> None:
    code = "import sluice.host, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(out.stdout.split())


def test_another_server_can_be_put_in() -> None:
    made: list[tuple[str, HostOptions]] = []

    class Other:
        def __init__(self, handler: str, options: HostOptions, preload: object) -> None:
            made.append((handler, options))

        def run(self) -> None:
            made.append(("ran", HostOptions()))

    serve("a:b", options=HostOptions(port=1), server=Other)
    assert made == [("a:b", HostOptions(port=1)), ("ran", HostOptions())]
