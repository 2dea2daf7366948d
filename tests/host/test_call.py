from __future__ import annotations

import json
from typing import Any

import pytest

from sluice.errors import SluiceError
from sluice.host import Context, Event, Reply, call
from tests.host.handlers import echo, init_async, on_demand_async, raises


def test_call_by_function_and_by_name() -> None:
    event = Event(b'{"a": 1}', "PUT", "/x?y=2", {"Content-Type": "application/json"})
    reply = call(echo.handler, event)
    assert reply == call("tests.host.handlers.echo:handler", event)
    assert json.loads(reply.body)["body"] == {"a": 1}


def test_init_context_is_called_for_a_new_context_only() -> None:
    assert call(init_async.handler, Event()).body == b"hello"
    context = Context()
    context.user_data.greeting = "mine"
    assert call(init_async.handler, Event(), context).body == b"mine"


def test_coroutine() -> None:
    assert json.loads(call(on_demand_async.handler, Event(b"b")).body)["body"] == "b"


def test_what_a_handler_raises_passes() -> None:
    with pytest.raises(KeyError):
        call(raises.handler, Event())


@pytest.mark.parametrize("name", ["echo", "echo.handler", "a:b:c", "", "a b:c"])
def test_malformed_name(name: str) -> None:
    with pytest.raises(SluiceError, match="not of the form"):
        call(name, Event())


def test_context_has_what_nuclios_has_but_no_host() -> None:
    def handler(context: Any, event: Any) -> Any:
        assert not hasattr(context, "host")
        return [
            context.worker_id,
            context.trigger.kind,
            context.trigger_name,
            context.platform.kind,
        ]

    assert call(handler, Event()) == Reply(
        200, "application/json", b'["0", "http", "default-http", "local"]'
    )
