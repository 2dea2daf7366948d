"""What of a function goes over, and what is refused, each by its step and with what to do."""

from __future__ import annotations

import base64
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.errors import DeclarationError
from sluice.importing.plan import CARRIED, LEFT_OUT, REFUSED, Plan, plan
from sluice.importing.source import read_function

MODEL = {"kind": "task", "class_name": "C", "class_args": {"model_path": "m1"}}


def planned(
    tmp_path: Path,
    graph: Any,
    places: dict[str, str] | None = None,
    only: Collection[str] = (),
    **spec: Any,
) -> Plan:
    (tmp_path / "m1").mkdir(exist_ok=True)
    data = {"kind": "serving", "metadata": {"name": "f"}, "spec": {"graph": graph, **spec}}
    (tmp_path / "f.yaml").write_text(yaml.safe_dump(data), "utf-8")
    return plan(read_function(tmp_path / "f.yaml"), places, only)


def routed(routes: Any = None, **router: Any) -> dict[str, Any]:
    return {"kind": "router", "routes": {"m1": MODEL} if routes is None else routes, **router}


def flow(**steps: Any) -> dict[str, Any]:
    """Steps in a line around a model `m`, unless they say otherwise."""
    return {"steps": {"m": MODEL, **steps}}


def behind(name: str = "m", **step: Any) -> dict[str, Any]:
    return {"class_name": "S", "after": [name], **step}


REFUSALS = [
    (routed(class_name="mine.Router"), "graph: mine.Router is a router of its own kind"),
    (routed(class_name="mlrun.serving.routers.EnrichmentModelRouter"), "feature store"),
    (routed(class_name="x.ParallelRun"), "x.ParallelRun is a router of its own kind"),
    (routed(class_args={"url_prefix": "/x"}), "class_args url_prefix are not carried over"),
    (routed(input_path="a.b"), "input_path is not carried over"),
    (routed({}), "has no routes"),
    (routed({"m1": {"class_name": "C"}}), "model m1: has no model_path"),
    (routed({"a": {**MODEL, "class_args": {"model_path": "no"}}}), "no such file or folder"),
    (
        routed({"a": {**MODEL, "class_args": {"model_path": "store://models/p/a"}}}),
        "model a: store://models/p/a is in MLRun's store (download its folder, and say --model a=",
    ),
    (routed({"m1": {**MODEL, "class_name": "mlrun.frameworks.sklearn.S"}}), "MLRun's own"),
    (flow(q={"kind": "queue", "after": ["m"]}), "step q: queue is not supported (deploy a stream"),
    (flow(r=behind(class_name="$remote")), "steps.r.class_name: $remote is not supported (call"),
    (flow(e=behind(class_name="storey.Extend")), "step e: storey.Extend is MLRun's own"),
    (flow(e=behind(function="child")), "step e: function is not supported"),
    (flow(e=behind(class_args={"_fn": "(1)"})), "class_args._fn: _fn is not supported"),
    (flow(a=behind(), b=behind()), "step m: branches to a and b"),
    (flow(a=behind(), b=behind("a"), c={"class_name": "S", "after": ["a", "b"]}), "joins a and b"),
    (flow(a={"class_name": "S"}), "expected one first step, found a, m"),
    (flow(n={**MODEL, "after": ["m"]}), "expected one router or model server, found m, n"),
    ({"steps": {"a": {"class_name": "S"}}}, "expected one router or model server, found none"),
]


@pytest.mark.parametrize(("graph", "told"), REFUSALS, ids=[told[:40] for _, told in REFUSALS])
def test_refused_by_name(tmp_path: Path, graph: Any, told: str) -> None:
    made = planned(tmp_path, graph)
    found = [str(f) for f in made.findings if f.level == REFUSED]
    assert any(told in text for text in found), found
    assert all(f.hint for f in made.refusals), "each says what to do"


def test_a_model_in_a_store_by_a_copy_of_it(tmp_path: Path) -> None:
    graph = routed({"a": {**MODEL, "class_args": {"model_path": "store://models/p/a"}}})
    made = planned(tmp_path, graph, {"a": str(tmp_path / "m1")})
    assert made.refusals == []
    assert made.routes[0].path == str(tmp_path / "m1")


def test_what_is_wrong_with_a_model_that_is_not_wanted_stops_no_other(tmp_path: Path) -> None:
    graph = routed({"a": MODEL, "b": {**MODEL, "class_name": "mlrun.frameworks.sklearn.S"}})
    assert [f.where for f in planned(tmp_path, graph).refusals] == ["step b"]
    made = planned(tmp_path, graph, only=["a"])
    assert (made.refusals, [route.name for route in made.routes]) == ([], ["a"])
    assert [f.where for f in made.findings if f.level == CARRIED] == ["model a"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    steps = {
        "a": {"class_name": "S", "on_error": "catch"},
        "catch": {"kind": "error_step", "handler": "h"},
        "m": {**MODEL, "after": ["a"]},
    }
    made = planned(tmp_path, {"steps": steps}, track_models=True, error_stream="v3io:///e")
    assert made.refusals == []
    places = {f.where for f in made.findings if f.level == LEFT_OUT}
    assert places == {"step a", "spec.track_models", "spec.error_stream"}
    assert list(made.steps(made.routes[0])) == ["a", "m"]


@pytest.mark.parametrize("name", ["streaming", "api_handler_config"])
def test_what_a_function_asks_for(tmp_path: Path, name: str) -> None:
    asked: dict[str, Any] = {name: {"x": 1}}
    made = planned(tmp_path, routed(), **asked)
    assert made.refusals[0].where == f"spec.{name}"


class TestSource:
    """Where functions are read from."""

    GRAPH: dict[str, Any] = {"graph": routed()}  # noqa: RUF012

    def write(self, tmp_path: Path, functions: Any) -> Path:
        data = {"kind": "project", "metadata": {"name": "p"}, "spec": {"functions": functions}}
        (tmp_path / "project.yaml").write_text(yaml.safe_dump(data), "utf-8")
        return tmp_path

    def test_inline_in_a_project(self, tmp_path: Path) -> None:
        inline = {"name": "s", "spec": {"kind": "serving", "spec": self.GRAPH}}
        found = read_function(self.write(tmp_path, [{"name": "j", "kind": "job"}, inline]))
        assert (found.name, found.code) == ("s", None)

    def test_in_a_file_of_a_project(self, tmp_path: Path) -> None:
        code = base64.b64encode(b"x = 1\n").decode()
        spec = {**self.GRAPH, "build": {"functionSourceCode": code}}
        data = {"kind": "serving", "metadata": {"name": "f"}, "spec": spec}
        (tmp_path / "fn").mkdir()
        (tmp_path / "fn" / "f.yaml").write_text(yaml.safe_dump(data), "utf-8")
        found = read_function(self.write(tmp_path, [{"name": "f", "url": "fn/f.yaml"}]))
        assert found.code == "x = 1\n"
        assert found.path("m1") == tmp_path / "fn" / "m1"

    def test_one_of_several_has_to_be_named(self, tmp_path: Path) -> None:
        both = [{"name": n, "kind": "serving", "spec": self.GRAPH} for n in ("a", "b")]
        root = self.write(tmp_path, both)
        with pytest.raises(DeclarationError, match="has 2 functions of kind serving: a, b"):
            read_function(root)
        assert read_function(root, "b").name == "b"
        with pytest.raises(DeclarationError, match="no 'c'"):
            read_function(root, "c")

    @pytest.mark.parametrize(
        ("functions", "told"),
        [
            ([{"name": "j", "kind": "job"}], "no function of kind serving"),
            ([{"name": "s", "kind": "serving", "url": "s.py"}], "made by a program"),
            ([], "no function of kind serving"),
        ],
    )
    def test_without_a_graph_it_says_how_to_export(
        self, tmp_path: Path, functions: Any, told: str
    ) -> None:
        with pytest.raises(DeclarationError, match=told) as error:
            read_function(self.write(tmp_path, functions))
        assert "function.export" in error.value.hint
