"""Runs a row under MLRun as it runs in Nuclio, and under ours, and tells what came out."""

from __future__ import annotations

import asyncio
import copy
import inspect
import json
from typing import Any

import nuclio_sdk
import pytest

from sluice.graph import Context, Graph, GraphSpec, is_response
from sluice.graph.graph import text_of

from .engine_row import ENVIRON, Outcome, Row, ok


class Silent:
    """A logger that says nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **fields: None


def event(row: Row, kind: Any, **more: Any) -> Any:
    """The row's event, of Nuclio's, MLRun's or our own class."""
    made = kind(body=copy.deepcopy(row.body), method="POST", **row.event, **more)
    made.id = "e1"
    return made


def under_mlrun(serving: Any, row: Row, engine: str, made: Any, text: str = "") -> Outcome:
    """What MLRun's production handler answers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVING_SPEC_ENV", text or json.dumps(row.handed_over(engine)))
        return asyncio.run(_mlrun(serving, made))


async def _mlrun(serving: Any, made: Any) -> Outcome:
    context = nuclio_sdk.Context(logger=Silent())
    serving.v2_serving_init(context, {})
    try:
        reply = await _done(context.mlrun_handler(context, made))
        await _done(context._server.wait_for_completion())
    except Exception as failure:
        return ("crash", type(failure).__name__)
    return _outcome(reply)


async def _done(result: Any) -> Any:
    return await result if inspect.isawaitable(result) else result


def _outcome(reply: Any) -> Outcome:
    if not is_response(reply):
        return ok(reply)
    if reply.content_type == "application/json":
        return ok(json.loads(reply.body, parse_constant=str))
    if reply.status_code == 400:
        kind, _, text = reply.body.partition(": ")
        return ("error", kind, text)
    return ("response", reply.status_code, reply.body, reply.content_type)


def load(row: Row, engine: str) -> Graph:
    spec = GraphSpec.handed_over(json.dumps(row.handed_over(engine)))
    return Graph(spec, context=Context(spec, environ=ENVIRON))


def under_ours(row: Row, made: Any, engine: str = "sync") -> Outcome:
    try:
        result = load(row, engine).handle(made)
    except Exception as failure:
        return ("error", type(failure).__name__, text_of(failure))
    if is_response(result):
        return ("response", result.status_code, result.body, result.content_type)
    return ok(json.loads(json.dumps(result), parse_constant=str))


def expect(got: Outcome, want: Outcome) -> None:
    """Errors are of one type; their texts are equal where a row gives one."""
    if want[0] == "error" and not want[2]:
        got, want = got[:2], want[:2]
    assert got == want
