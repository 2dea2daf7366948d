"""What a declaration gets wrong is named: file, place, problem, and what would do."""

from __future__ import annotations

from typing import Any

import pytest

from sluice.deploy.render import render
from sluice.errors import DeclarationError
from tests.deploy.conftest import ENOUGH, Make


@pytest.mark.parametrize(
    ("deploy", "problem"),
    [
        ({"replica": {}}, "deploy.replica: unknown field .did you mean 'replicas'"),
        ({"replicas": {"min": 3, "max": 2}}, "replicas.min: 3 is more than max, 2"),
        ({"replicas": {"cpu": 0}}, "replicas.cpu: expected 1 to 100, found 0"),
        ({"replicas": {"idle": "soon"}}, "replicas.idle: not a duration: 'soon'"),
        ({"workers": 0}, "deploy.workers: expected 1 to 1000, found 0"),
        ({"resources": {"limits": {"cpus": 1}}}, "limits.cpus: unknown field"),
        ({"functions": {"modle": {}}}, "functions.modle: unknown field .did you mean 'model'"),
        ({"functions": {"model": {"env": {}}}}, "functions.model.env: unknown field"),
        ({"env": {"SLUICE_MODLES": "x"}}, "env.SLUICE_MODLES: no such setting .did you mean"),
        ({"env": {"SLUICE_GRAPH": "x"}}, "env.SLUICE_GRAPH: is set by the rendering"),
        ({"env": {"a b": "x"}}, "env.a b: is no name of a variable"),
        ({"env": {"SLUICE_PORT": "http"}}, "SLUICE_PORT: expected a whole number"),
        ({"secrets": {"SLUICE_SALT": "salt"}}, "secrets.SLUICE_SALT: names no key of a secret"),
        ({"env": {"A": "1"}, "secrets": {"A": "b/c"}}, "env.A: is a secret too"),
        ({"kafka": {}}, "kafka.brokers: is missing"),
        ({"kafka": {"brokers": "b", "sasl": {"user": "u"}}}, "kafka.sasl.secret: is missing"),
        ({"ingress": {"host": "h"}}, "ingress.authentication: is missing"),
        (
            {"ingress": {"host": "h", "authentication": {"kind": "basic"}}},
            "ingress.authentication.secret: is missing",
        ),
        (
            {"ingress": {"host": "h", "authentication": {"kind": "none"}, "canary": {}}},
            "ingress.canary.percentage: is missing",
        ),
        ({"batch": {"schedule": "hourly"}}, "batch.schedule: 'hourly' is not cron's"),
    ],
)
def test_what_is_wrong_is_named(make: Make, deploy: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        render(make(deploy), "orders")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLUICE_SALT", "pepper"),
        ("AWS_SECRET_ACCESS_KEY", "pepper"),
        ("DB_PASSWORD", "pepper"),
        ("SLUICE_FEATURES", "redis://user:pepper@redis:6379"),
        ("SLUICE_STREAM", "kafka://b:9092/?sasl.password=pepper"),
    ],
)
def test_a_secret_by_value_is_refused_and_not_shown(make: Make, name: str, value: str) -> None:
    with pytest.raises(DeclarationError, match=f"env.{name}: looks like a secret") as refused:
        render(make({"env": {name: value}}), "orders")
    assert "pepper" not in str(refused.value)


def test_what_a_pattern_needs_is_asked_for(make: Make) -> None:
    bare = {k: v for k, v in ENOUGH.items() if k not in ("kafka", "batch")}
    for pattern, part in (("stream", "kafka"), ("batch", "batch")):
        with pytest.raises(DeclarationError, match=f"deploy: {part} is missing"):
            render(make(bare), "orders", patterns=[pattern])
    few = {**ENOUGH, "kafka": {"brokers": "b:1", "partitions": 3}}
    with pytest.raises(DeclarationError, match="4 replicas share 3 partitions"):
        render(make(few), "orders", patterns=["stream"])
    with pytest.raises(DeclarationError, match=r"unknown layout 'fuse'.*'fused'"):
        render(make(), "orders", layout="fuse")
    with pytest.raises(DeclarationError, match="no pattern is named"):
        render(make(), "orders", patterns=[])


@pytest.mark.parametrize("name", ["Orders", "orders_eu", "o" * 57])
def test_a_name_that_no_service_may_have(make: Make, name: str) -> None:
    with pytest.raises(DeclarationError, match="is no name here"):
        render(make(name=name), name)


def test_a_function_yaml_that_says_what_the_graph_declares(make: Make) -> None:
    project = make()
    path = project.root / "functions" / "serve" / "function.yaml"
    text = path.read_text("utf-8")
    path.write_text(text + "  minReplicas: 3\n", "utf-8")
    with pytest.raises(DeclarationError, match=r"spec.minReplicas: is set when a graph is"):
        render(project, "orders")
    path.write_text(text + "  handlr: x\n", "utf-8")
    with pytest.raises(DeclarationError, match="handlr"):
        render(project, "orders")
