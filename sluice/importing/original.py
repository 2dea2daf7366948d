"""The function as it was: under MLRun's mock server, in this process, asked the same requests."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sluice.errors import SluiceError
from sluice.importing.plan import ENSEMBLE, Plan
from sluice.importing.source import Function


class Original:
    """An MLRun function that answers here, without a cluster.

    Args:
        function, plan: what is imported; its models' files are where the plan found them.
        code: the names of the function's own code.

    Making one runs that code, and loads the models as it does. Raises SluiceError where MLRun
    refuses the function.
    """

    def __init__(self, function: Function, plan: Plan, code: Mapping[str, Any]) -> None:
        import mlrun

        self._plan = plan
        data = _data(function, plan)
        try:
            made = mlrun.new_function(runtime=data)
            self._server = made.to_mock_server(namespace=dict(code))
        except Exception as error:  # the user's code, or MLRun's: it is told, and nothing imported
            raise SluiceError(f"MLRun does not serve {function.name}: {error}") from error

    def ask(self, body: Mapping[str, Any], model: str = "") -> list[Any]:
        """The outputs for a request, by one model or by whichever answers who names none.

        Raises SluiceError with MLRun's own error.
        """
        path = self._path(model)
        try:
            reply = self._server.test(path, body=copy.deepcopy(dict(body)), method="POST")
        except Exception as error:
            raise SluiceError(f"MLRun's mock server, asked {path or '/'}: {error}") from error
        reply = json.loads(reply) if isinstance(reply, str | bytes) else reply
        outputs = reply.get("outputs") if isinstance(reply, dict) else None
        if not isinstance(outputs, list) or len(outputs) != len(body["inputs"]):
            hint = "only answers with one output for each input can be carried over"
            raise SluiceError(f"asked {path or '/'}, it answers {reply!r:.200}: {hint}")
        return in_json(outputs)

    def _path(self, model: str) -> str:
        if self._plan.routed and model:
            return f"/v2/models/{model}/infer"
        return "/v2/models/infer" if self._plan.policy == ENSEMBLE else ""

    def close(self) -> None:
        if hasattr(self._server.graph, "wait_for_completion"):  # not of a router alone
            self._server.wait_for_completion()


@contextmanager
def original(function: Function, plan: Plan, code: Mapping[str, Any]) -> Iterator[Original]:
    """The function as it was, for a while."""
    made = Original(function, plan, code)
    try:
        yield made
    finally:
        made.close()


def read_requests(path: Path) -> list[dict[str, Any]]:
    """The bodies in a JSON file: one, or a list of them. Raises SluiceError."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SluiceError(f"{path}: {error}") from error
    bodies = found if isinstance(found, list) else [found]
    for at, body in enumerate(bodies):
        inputs = body.get("inputs") if isinstance(body, dict) else None
        if not isinstance(inputs, list) or not inputs:
            raise SluiceError(f'{path}: request {at}: expected {{"inputs": [one or more]}}')
    if not bodies:
        raise SluiceError(f"{path}: has no requests")
    return bodies


def rows_of(bodies: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The inputs of all requests."""
    return [row for body in bodies for row in body["inputs"]]


def _data(function: Function, plan: Plan) -> dict[str, Any]:
    """The function with the models that are wanted alone, their files where the plan has them."""
    data = copy.deepcopy(dict(function.data))
    for router in _routers(data["spec"]["graph"]):
        weights = (router.get("class_args") or {}).get("weights") or {}
        for name in set(router["routes"]) - {route.name for route in plan.routes}:
            del router["routes"][name]
            weights.pop(name, None)
    for steps in _places(data["spec"]["graph"]):
        for route in plan.routes:
            if "model_path" in ((steps.get(route.name) or {}).get("class_args") or {}):
                steps[route.name]["class_args"]["model_path"] = route.path
    return data


def _routers(graph: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in (graph, *(graph.get("steps") or {}).values()) if step.get("routes")]


def _places(graph: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Where models stand in a graph."""
    yield graph.get("steps") or {}
    for router in _routers(graph):
        yield router["routes"]


def in_json(outputs: Sequence[Any]) -> list[Any]:
    """Outputs as they come out of JSON. Raises SluiceError for what is none."""
    try:
        made: list[Any] = json.loads(json.dumps(outputs, default=_plain))
    except (TypeError, ValueError) as error:
        raise SluiceError(f"it answers what is no JSON: {error}") from None
    return made


def _plain(value: Any) -> Any:
    """What numpy has, which MLRun's handler in Nuclio could not write, as JSON has it."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r:.80}")
