"""What is rendered beside the functions: who learns, who scrapes; and what their image has."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from sluice.deploy.extras import extras_of
from sluice.deploy.render import read_graph, render
from sluice.errors import DeclarationError
from tests.conftest import ROOT
from tests.deploy.checked import check
from tests.deploy.conftest import ENOUGH, Make
from tests.deploy.test_render import SOME, STEPS, changed

ARMS = ["champion", "challenger"]
THOMPSON = {"policy": "thompson", "arms": ARMS, "reward": {"of": "reward", "low": 0, "high": 1}}
SHARED = {
    **ENOUGH["env"],
    "SLUICE_REWARDS": "redis://redis:6379/1",
    "SLUICE_EVENTS": "kafka://one:9092",
}


def test_a_policy_that_learns_has_a_learner(make: Make) -> None:
    project = make(changed(env=SHARED), router=THOMPSON)
    for patterns in SOME:
        resources = render(project, "orders", patterns=patterns)
        assert ("learner-orders" in resources) == (patterns != ("batch",))
        for resource in resources.values():
            check(resource)
    pod = render(project, "orders")["learner-orders"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["sluice", "learn", "orders"]
    names = {e["name"] for e in container["env"]}
    assert {"SLUICE_REWARDS", "SLUICE_EVENTS", "SLUICE_MODELS"} <= names
    assert not {"SLUICE_DATABASE", "SLUICE_STREAM"} & names
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert "learner-orders" not in render(make(), "orders")


def test_what_a_learner_shares_is_not_in_a_pods_files(make: Make) -> None:
    for missing in ("SLUICE_REWARDS", "SLUICE_EVENTS"):
        env = {name: url for name, url in SHARED.items() if name != missing}
        project = make(changed(env=env, replicas={"max": 1}), router=THOMPSON)
        with pytest.raises(DeclarationError, match=f"{missing}: is embedded"):
            render(project, "orders")


def scraped(resources: Any) -> Any:
    (endpoint,) = resources["monitor-orders"]["spec"]["endpoints"]
    return endpoint.get("authorization")


@pytest.mark.parametrize("guard", ["SLUICE_API_KEYS", "SLUICE_API_KEYS_FILE", "SLUICE_JWKS_URL"])
def test_prometheus_has_a_key_where_it_needs_one(make: Make, guard: str) -> None:
    assert scraped(render(make(), "orders")) is None
    guarded = changed(secrets={guard: "shop/guard"})
    with pytest.raises(DeclarationError, match="SLUICE_API_KEY: is missing: /metrics needs"):
        render(make(guarded), "orders")
    keyed = changed(secrets={guard: "shop/guard", "SLUICE_API_KEY": "shop/key"})
    assert scraped(render(make(keyed), "orders")) == {
        "type": "Bearer", "credentials": {"name": "shop", "key": "key"},
    }  # fmt: skip
    public = changed(
        secrets={guard: "shop/guard"}, env={**ENOUGH["env"], "SLUICE_PUBLIC": "openapi, metrics"}
    )
    assert scraped(render(make(public), "orders")) is None


@pytest.mark.parametrize(
    ("layout", "pattern", "measured"),
    [
        ("fused", "http", ["orders"]),
        ("steps", "http", ["orders-enrich"]),
        ("fused", "stream", ["orders-stream"]),
        ("steps", "stream", [f"orders-stream-{s}" for s in STEPS]),
    ],
)
def test_prometheus_asks_those_that_have_metrics(
    make: Make, layout: str, pattern: str, measured: list[str]
) -> None:
    resources = render(make(), "orders", layout=layout, patterns=[pattern])
    selector = resources["monitor-orders"]["spec"]["selector"]
    left_out = selector.get("matchExpressions", [{"values": []}])[0]["values"]
    found = []
    for resource in resources.values():
        labels = resource["metadata"]["labels"]
        if resource["kind"] == "NuclioFunction":
            assert selector["matchLabels"].items() <= labels.items()
            found += [labels["app.kubernetes.io/name"]]
    assert [name for name in found if name not in left_out] == measured


def test_the_image_has_what_the_declaration_needs(make: Make) -> None:
    def extras(deploy: Any) -> list[str]:
        return extras_of(read_graph(make(deploy), "orders")[0])

    assert extras(ENOUGH) == ["kafka", "stores"]
    jwks = {"SLUICE_JWKS_URL": "https://issuer.example.com/keys"}
    assert "auth" in extras(changed(env={**ENOUGH["env"], **jwks}))
    assert "auth" in extras(changed(secrets={"SLUICE_JWKS_URL": "shop/jwks"}))
    assert "v3io" in extras(changed(env={"SLUICE_FEATURES": "v3io://projects/shop"}))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"kafka", "stores", "auth", "v3io"} <= declared["optional-dependencies"].keys()
