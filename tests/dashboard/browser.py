"""Chromium without a window, asked by its DevTools protocol (Debian's package chromium)."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.servers import end_with_parent

_WAIT_S = 30.0


class Page:
    """A page that is open. `said` is all that its console and the network had to complain of."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._ids = socket, count(1)
        self.said: list[str] = []
        self._session: str | None = None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        found = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = found["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._ask(f"{domain}.enable")

    def size(self, width: int, height: int, *, dark: bool = False, scale: float = 1) -> None:
        """The window, and whether it is dark."""
        sizes = {
            "width": width,
            "height": height,
            "deviceScaleFactor": scale,
            "mobile": width < 500,
        }
        self._ask("Emulation.setDeviceMetricsOverride", **sizes)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go to an address, and wait until all of it is there."""
        self._ask("Page.navigate", url=url)
        self._until("Page.loadEventFired")

    def follow(self, script: str) -> None:
        """JavaScript that leads to another page, and that one."""
        self.run(script)
        self._until("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """What JavaScript comes to."""
        found = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def accessible(self) -> list[dict[str, Any]]:
        """The nodes that a screen reader is told of: role and name."""
        nodes = self._ask("Accessibility.getFullAXTree")["nodes"]
        return [
            {"role": n["role"]["value"], "name": n.get("name", {}).get("value", "")}
            for n in nodes
            if not n.get("ignored")
        ]

    def press(self, key: str) -> None:
        """A key."""
        code = {"Tab": 9, "Enter": 13}[key]
        down = {"text": "\r"} if key == "Enter" else {}
        for kind, more in (("keyDown", down), ("keyUp", {})):
            named = {"key": key, "code": key, "windowsVirtualKeyCode": code}
            self._ask("Input.dispatchKeyEvent", type=kind, **named, **more)

    def picture(self, file: Path) -> None:
        """The whole page as a PNG."""
        found = self._ask("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))

    def _ask(self, method: str, **params: Any) -> Any:
        id = next(self._ids)
        message = {"id": id, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        while True:
            told = self._next()
            if told.get("id") == id:
                assert "error" not in told, told
                return told["result"]

    def _until(self, method: str) -> None:
        while self._next().get("method") != method:
            pass

    def _next(self) -> Any:
        told = json.loads(self._socket.recv(timeout=_WAIT_S))
        bad = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded",
               "Network.loadingFailed")  # fmt: skip
        if told.get("method") in bad:
            self.said.append(json.dumps(told["params"]))
        return told


@contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A page of a Chromium of its own; the test is skipped where there is none."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        pytest.skip("there is no chromium (Debian: apt-get install chromium)")
    process = subprocess.Popen(
        [binary, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
         f"--user-data-dir={folder}", "--remote-debugging-port=0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 (one system call, that takes no lock)
    )  # fmt: skip
    try:
        with connect(_address(process), max_size=None, open_timeout=_WAIT_S) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if "DevTools listening on " in line:
            return line.split("DevTools listening on ")[1].strip()
    raise AssertionError("chromium does not come up")
