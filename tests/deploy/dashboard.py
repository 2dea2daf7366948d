"""A Nuclio dashboard for tests, after its published API (docs/reference/api of Nuclio).

It takes functions and gateways that Nuclio's schemas know, goes through their states a step per
look, and passes calls on to what a test says a function answers.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from sluice.protocol.http import Answer
from tests.deploy.checked import check
from tests.protocol.events import Raw

STATES = ("waitingForBuild", "building", "waitingForResourceConfiguration", "ready")
Answers = Callable[[str, dict[str, Any], Raw], Answer]
Reply = tuple[int, Any]


class StandIn:
    """The dashboard.

    Args:
        answers: (name, configuration, event) → what a function that is ready answers.

    Attributes:
        fails: function → why its build fails.
        slow: functions that never become ready.
        down: whether it answers nothing but 503.
        seen: method and path of each change.
        shares: the gateways' upstreams, each time that they were set.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.projects: dict[str, Any] = {}
        self.functions: dict[str, Any] = {}
        self.gateways: dict[str, Any] = {}
        self.fails: dict[str, str] = {}
        self.slow: set[str] = set()
        self.down = False
        self.seen: list[str] = []
        self.shares: list[dict[str, int]] = []
        self._states: dict[str, int] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> StandIn:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Reply:
        parts = path.partition("?")[0].removeprefix("/api/").split("/")
        if self.down:
            return 503, {"error": "the dashboard starts"}
        if parts[0] == "function_invocations":
            return self._invoke(method, headers, body)
        data: Any = json.loads(body) if body else None
        if method != "GET":
            name = data["metadata"]["name"]
            self.seen.append(f"{method} {parts[0]} {name}")
        kinds = {
            "projects": self._project, "functions": self._function, "api_gateways": self._gateway
        }  # fmt: skip
        return kinds[parts[0]](method, parts[1:], data)

    def _project(self, method: str, rest: list[str], data: Any) -> Reply:
        if method == "POST":
            self.projects[data["metadata"]["name"]] = data
            return 201, data
        return 200, self.projects

    def _function(self, method: str, rest: list[str], data: Any) -> Reply:
        if method == "GET":
            return self._look(rest)
        name = data["metadata"]["name"]
        if method == "DELETE":
            return (204, None) if self.functions.pop(name, None) else (404, {"error": "not found"})
        if method == "PUT" and name not in self.functions:
            return 404, {"error": "not found"}
        check(data)
        assert data["metadata"]["labels"]["nuclio.io/project-name"] in self.projects
        self.functions[name], self._states[name] = data, 0
        return 202, None

    def _look(self, rest: list[str]) -> Reply:
        name = rest[0]
        if name not in self.functions:
            return 404, {"error": f"function {name} not found"}
        if rest[1:] == ["replicas"]:
            return 200, {"names": [f"{name}-0"]}
        if rest[1:2] == ["logs"]:
            return 200, f"{name}: worker ready\n".encode()
        state = STATES[min(self._states[name], len(STATES) - 1)]
        self._states[name] += 1
        status: dict[str, Any] = {"state": state, "logs": []}
        if state == "ready" and name in self.slow:
            status["state"] = STATES[-2]
        if state in STATES[2:] and name in self.fails:
            line = {"level": "error", "message": "pull access denied", "time": 1.0}
            status = {"state": "error", "message": self.fails[name], "logs": [line]}
        if status["state"] == "ready":
            status["internalInvocationUrls"] = [f"nuclio-{name}.nuclio.svc.cluster.local:8080"]
        return 200, {**self.functions[name], "status": status}

    def _gateway(self, method: str, rest: list[str], data: Any) -> Reply:
        if method == "GET":
            found = self.gateways.get(rest[0])
            return (200, found) if found else (404, {"error": "not found"})
        name = data["metadata"]["name"]
        if method == "DELETE":
            return (204, None) if self.gateways.pop(name, None) else (404, {"error": "not found"})
        assert (method == "PUT") == (name in self.gateways)
        check(data)
        self.gateways[name] = {**data, "status": {"name": name, "state": "ready"}}
        upstreams = data["spec"]["upstreams"]
        self.shares.append({u["nucliofunction"]["name"]: u.get("percentage", 0) for u in upstreams})
        return (202 if method == "POST" else 204), None

    def _invoke(self, method: str, headers: dict[str, str], body: bytes) -> Reply:
        name = headers["x-nuclio-function-name"]
        assert headers["x-nuclio-invoke-url"].startswith(f"nuclio-{name}.")
        event = Raw(body, headers["x-nuclio-path"], method, headers, raw=body)
        answer = self.answers(name, self.functions[name], event)
        return answer.status, answer.body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def _do(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                headers = {n.lower(): v for n, v in self.headers.items()}
                body = self.rfile.read(length)
                try:
                    status, reply = stand_in.answer(self.command, self.path, headers, body)
                except Exception as problem:
                    status, reply = 400, {"error": f"{type(problem).__name__}: {problem}"[:2000]}
                data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                data = b"" if status == 204 else data
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
