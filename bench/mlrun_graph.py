"""The peer MLRun: five steps as its user would write them, with XGBoost's own predict."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bench import work
from bench.backends import xgboost_predict


class Enrich:
    """Looks the flight's features up."""

    def __init__(self, **_: Any) -> None:
        self.tables = work.read_tables()

    def do(self, record: dict[str, Any]) -> dict[str, Any]:
        moment = work.moment_of(record)
        looked = work.enrich(self.tables, record, moment)
        return {"record": record, "moment": moment, "looked": looked}


class Transform:
    """Makes the model's columns."""

    def __init__(self, **_: Any) -> None:
        self.tables = work.read_tables()

    def do(self, body: dict[str, Any]) -> dict[str, Any]:
        row = work.transform(self.tables, body["record"], body["looked"], body["moment"])
        return {**body, "row": row}


class Router:
    """Chooses the model."""

    def __init__(self, **_: Any) -> None:
        self.choice = "champion"

    def do(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "model": self.choice}


class Model:
    """Asks the chosen model."""

    def __init__(self, **_: Any) -> None:
        self.models = {"champion": xgboost_predict()}

    def do(self, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "probability": self.models[body["model"]](body["row"])}


class Postprocess:
    """Makes the reply."""

    def __init__(self, **_: Any) -> None:
        self.answer = work.answer

    def do(self, body: dict[str, Any]) -> dict[str, Any]:
        return self.answer(body["probability"])


def serving_spec() -> str:
    """The graph as MLRun hands it over to a serving function: linear, engine sync."""
    steps: dict[str, Any] = {}
    before: list[str] = []
    for step in (Enrich, Transform, Router, Model, Postprocess):
        name = step.__name__.lower()
        steps[name] = {"class_name": f"{__name__}.{step.__name__}", "after": before}
        before = [name]
    steps["postprocess"]["responder"] = True
    graph = {"engine": "sync", "steps": steps}
    return json.dumps({"function_uri": "bench/flights", "version": "v2", "graph": graph})


class _Silent:
    """A logger that says nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **fields: None


def open_handler() -> tuple[Any, Any]:
    """MLRun's production handler with its context; SERVING_SPEC_ENV must hold `serving_spec()`."""
    import nuclio_sdk
    from mlrun.serving.server import v2_serving_init

    context: Any = nuclio_sdk.Context(logger=_Silent())
    v2_serving_init(context, {})
    return context.mlrun_handler, context
