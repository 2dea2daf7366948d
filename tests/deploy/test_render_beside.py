"""What is rendered beside the functions: who learns, counts, looks and scrapes; and their image."""

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
CORRECTED = [{"rule": "correction", "features": []}]
SHARED = {
    **ENOUGH["env"],
    "SLUICE_REWARDS": "redis://redis:6379/1",
    "SLUICE_EVENTS": "kafka://one:9092",
}


def test_a_policy_that_learns_has_a_learner(make: Make) -> None:
    project = make(changed(env=SHARED), router=THOMPSON)
    for patterns in SOME:
        resources = render(project, "orders", patterns=patterns)
        assert ("teacher-orders-learn" in resources) == (patterns != ("batch",))
        for resource in resources.values():
            check(resource)
    pod = render(project, "orders")["teacher-orders-learn"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert container["command"] == ["sluice", "learn", "orders"]
    names = {e["name"] for e in container["env"]}
    assert {"SLUICE_REWARDS", "SLUICE_EVENTS", "SLUICE_MODELS"} <= names
    assert not {"SLUICE_DATABASE", "SLUICE_STREAM"} & names
    assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
    assert "teacher-orders-learn" not in render(make(), "orders")


def test_a_correction_has_who_teaches_it(make: Make) -> None:
    project = make(changed(env=SHARED), rules=CORRECTED)
    made = render(project, "orders")["teacher-orders-correction"]
    check(made)
    assert made["metadata"]["name"] == "orders-correction"
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["sluice", "correction", "learn", "orders"]
    both = render(make(changed(env=SHARED), rules=CORRECTED, router=THOMPSON), "orders")
    assert {"teacher-orders-correction", "teacher-orders-learn"} <= set(both)
    with pytest.raises(DeclarationError, match="SLUICE_REWARDS: is embedded"):
        render(make(rules=CORRECTED), "orders")


WATCHED: Any = {"env": {**ENOUGH["env"], "SLUICE_EVENTS": "kafka://one:9092"}}
WATCHED |= {"monitor": {"claim": "windows"}}
LOOKED = {**WATCHED, "loop": {"schedule": "0 * * * *"}}


def test_a_monitor_is_one_function_with_a_volume(make: Make) -> None:
    for patterns in SOME:
        resources = render(make(changed(**WATCHED)), "orders", patterns=patterns)
        for resource in resources.values():
            check(resource)
        assert "scaling-orders-monitor" not in resources
        assert "budget-orders-monitor" not in resources
    spec = resources["function-orders-monitor"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 1)
    asked = spec["triggers"]["events"]["attributes"]
    assert asked["topics"] == ["shop.orders.events", "shop.orders.feedback"]
    assert asked["consumerGroup"] == "shop.orders-monitor"
    assert "eventTimeout" not in spec
    env = {e["name"]: e.get("value") for e in spec["env"]}
    assert env["SLUICE_EVENTS"] == "kafka://one:9092"
    assert env["SLUICE_STATE"] == "/var/lib/sluice"
    assert not {"SLUICE_STREAM", "SLUICE_DATABASE"} & env.keys()
    (kept,) = [v["volume"] for v in spec["volumes"] if v["volume"]["name"] == "state"]
    assert kept["persistentVolumeClaim"] == {"claimName": "windows"}
    topics = {r["spec"]["topicName"] for r in resources.values() if r["kind"] == "KafkaTopic"}
    assert {"shop.orders.events", "shop.orders.feedback"} <= topics
    assert "function-orders-monitor" not in render(make(), "orders")


@pytest.mark.parametrize(
    ("deploy", "why"),
    [
        ({"monitor": {"claim": "windows"}}, "SLUICE_EVENTS: is embedded"),
        ({**WATCHED, "kafka": {}}, "kafka.brokers: is missing"),
        (
            {**WATCHED, "functions": {"monitor": {"replicas": {"max": 2}}}},
            "functions.monitor.replicas: one counts",
        ),
        (
            {**WATCHED, "kafka": {"brokers": "one:9092", "sasl": {"user": "u", "secret": "s"}}},
            "secrets.SLUICE_EVENTS: is missing",
        ),
    ],
)
def test_a_monitor_that_could_not_count_is_refused(make: Make, deploy: Any, why: str) -> None:
    with pytest.raises(DeclarationError, match=why):
        render(make(changed(**deploy)), "orders")


def test_the_loop_is_a_job_beside_the_monitor(make: Make) -> None:
    job = render(make(changed(**LOOKED), retrain={}), "orders")["job-orders-loop"]
    check(job)
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"] == ["sluice", "loop", "run", "orders", "--once"]
    assert container["image"] == "sluice-train"
    mounted = {m["name"]: m["mountPath"] for m in container["volumeMounts"]}
    assert mounted == {"tmp": "/tmp", "state": "/var/lib/sluice"}
    (near,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert near["labelSelector"]["matchLabels"] == {"app.kubernetes.io/name": "orders-monitor"}


def test_a_loop_that_has_nothing_to_do_is_refused(make: Make) -> None:
    with pytest.raises(DeclarationError, match="nothing is declared under retrain"):
        render(make(changed(**LOOKED)), "orders")
    alone = {name: part for name, part in LOOKED.items() if name != "monitor"}
    with pytest.raises(DeclarationError, match="it looks at what a monitor counts"):
        render(make(changed(**alone), retrain={}), "orders")


def test_who_reads_events_can_check_the_brokers(make: Make) -> None:
    kafka = {"brokers": "one:9093", "sasl": {"user": "u", "secret": "s", "ca": "authority/ca.crt"}}
    secrets = {"SLUICE_EVENTS": "s/url"}
    project = make(
        changed(kafka=kafka, secrets=secrets, **{k: LOOKED[k] for k in ("monitor", "loop")}),
        retrain={},
    )
    found = render(project, "orders")
    spec = found["job-orders-loop"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert [v["name"] for v in spec["volumes"]] == ["tmp", "state", "kafka-ca"]
    names = {
        name: [v["volume"]["name"] for v in found[f"function-{name}"]["spec"]["volumes"]]
        for name in ("orders", "orders-monitor")
    }
    assert names == {
        "orders": ["tmp", "kafka-ca"], "orders-monitor": ["tmp", "state", "kafka", "kafka-ca"],
    }  # fmt: skip


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
    assert "otel" in extras(changed(env={**ENOUGH["env"], "SLUICE_OTLP": "http://collector:4318"}))
    assert "v3io" in extras(changed(env={"SLUICE_FEATURES": "v3io://projects/shop"}))
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"kafka", "stores", "auth", "otel", "v3io"} <= declared["optional-dependencies"].keys()
