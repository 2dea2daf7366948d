"""The same handlers on our host and under Nuclio's own wrapper, where NUCLIO_WRAPPER names it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.host.nuclio_wrapper import WRAPPER, Wrapper, wrapped
from tests.host.running import ROOT, Answer, Running, commanded, running

pytestmark = pytest.mark.skipif(
    not WRAPPER, reason="NUCLIO_WRAPPER does not name Nuclio's _nuclio_wrapper.py"
)

JSON = {"Content_Type": "application/json"}
STEPS = ("enrich", "transform", "router", "model", "postprocess")

Case = tuple[str, str, bytes, str, dict[str, str]]  # handler, target, body, method, headers
CASES: list[Case] = [
    ("echo", "/a/b?x=1&y=z", b'{"a": [1, null]}', "POST", JSON),
    ("echo", "/", b"[1, 2", "POST", JSON),
    ("echo", "/", b"[1]", "PUT", {"Content_Type": "application/json; charset=utf-8"}),
    ("echo", "/", b"\xe2\x82\xac", "POST", {"Content_Type": "text/plain"}),
    ("echo", "/", b"3.5", "POST", JSON | {"X_Some_Header": "s"}),
    ("echo", "/", b"", "GET", {}),
    ("digest", "/", bytes(range(256)) * 400, "POST", {}),
    ("init_async", "/", b"", "POST", {}),
    ("made_elsewhere", "/", b"", "POST", {}),
    ("logs", "/", b"", "POST", {}),
    ("nothing", "/", b"", "POST", {}),
    ("on_demand_async", "/?ms=1", b"body", "POST", {}),
    ("raises", "/", b"", "POST", {}),
    ("raises", "/exit", b"", "POST", {}),
    *(("replies", f"/{name}", b"", "POST", {}) for name in (
        "text", "bytes", "dict", "tuple", "tuple-text", "tuple-list", "response", "response-dict",
        "response-bytes", "nan", "number", "unicode", "nothing",
    )),
]  # fmt: skip


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A host and a wrapper for each handler, started when it is first asked for."""
    with ExitStack() as stack:
        made: dict[str, tuple[Running, Wrapper]] = {}

        def both(handler: str) -> tuple[Running, Wrapper]:
            if handler not in made:
                log = tmp_path_factory.mktemp(handler) / "log"
                made[handler] = (
                    stack.enter_context(running(handler, log, workers=1)),
                    stack.enter_context(wrapped(f"tests.host.handlers.{handler}:handler")),
                )
            return made[handler]

        yield both


def comparable(answer: Answer) -> Any:
    """What the client sees; of a failure only that it is one (Nuclio's has the traceback)."""
    if answer.status == 500:
        return 500
    own = {name: value for name, value in answer.headers.items() if name.startswith("X-")}
    return answer.status, answer.headers["content-type"], own, answer.body


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1]}")
def test_same_reply(hosts: Any, case: Case) -> None:
    handler, target, body, method, headers = case
    ours, theirs = hosts(handler)
    wanted = comparable(theirs.ask(target, body, method, **headers))
    assert comparable(ours.ask(target, body, method, **headers)) == wanted


def test_logging_reaches_nuclio(hosts: Any) -> None:
    _, theirs = hosts("logs")
    theirs.ask()
    record = [r for r in theirs.logged if r["message"] == "a flight"][-1]
    assert record["with"] | {"worker_id": "0"} == {
        "carrier": "UA", "delay": 12.5, "worker_id": "0",
    }  # fmt: skip


def test_same_batch(log: Path) -> None:
    bodies = [b"a", b"b", b"c"]
    with wrapped("tests.host.handlers.batch:handler") as theirs:
        wanted = [comparable(a) for a in theirs.ask_batch(bodies, "/reverse")]
    with (
        running("batch", log, workers=1, batch_size=3, batch_timeout_s=5) as ours,
        ThreadPoolExecutor(3) as pool,
    ):
        found = list(pool.map(lambda body: ours.ask("/reverse", body), bodies))
    for answer in found:  # the order in which they came is not ours to say
        assert sorted(answer.json["bodies"]) == ["a", "b", "c"]
    assert [a.headers["X-Body"] for a in found] == ["a", "b", "c"]
    assert [w[:3] for w in wanted] == [comparable(a)[:3] for a in found]


@pytest.mark.usefixtures("flights")
def test_flights_under_the_wrapper(record: dict[str, Any], log: Path) -> None:
    """The whole graph, its batches, and the five steps apart give the answers of `sluice serve`."""
    body = json.dumps([record, record | {"origin": 3}]).encode()
    with commanded("serve", "flight-delay", log=log, folder=ROOT) as host:
        wanted = host.ask("/", body, **JSON)
        metadata = host.ask("/v2/models/flight-delay", method="GET")
    with wrapped("functions.serve.function:handler", SLUICE_GRAPH="flight-delay") as serve:
        assert outputs(serve.ask("/", body, **JSON)) == outputs(wanted)
        assert serve.ask("/", b"{", **JSON).status == 400
        assert serve.ask("/v2/models/flight-delay", b"", "GET").json == metadata.json
        assert serve.ask("/v2/health/ready", b"", "GET").status == 200
        assert [outputs(a) for a in serve.ask_batch([body, body])] == [outputs(wanted)] * 2
    for step in STEPS:
        with wrapped(f"functions.{step}.function:handler", SLUICE_GRAPH="flight-delay") as one:
            answer = one.ask("/", body, **JSON)
            assert answer.status == 200, (step, answer.body)
            body = answer.body
    assert outputs(answer) == outputs(wanted)


def outputs(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return answer.json["outputs"]
