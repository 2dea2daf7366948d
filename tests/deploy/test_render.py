"""Rendered resources: complete, valid where they are read, the same each time."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest

from sluice.deploy.render import LAYOUTS, PATTERNS, render
from sluice.errors import DeclarationError
from tests.deploy.checked import check
from tests.deploy.conftest import ENOUGH, Make

STEPS = ("enrich", "transform", "router", "model", "postprocess")
SOME = [p for n in (1, 2, 3) for p in itertools.combinations(PATTERNS, n)]


def changed(**parts: Any) -> dict[str, Any]:
    return {**copy.deepcopy(ENOUGH), **parts}


def env(resource: Any) -> dict[str, Any]:
    return {e["name"]: e.get("value", e.get("valueFrom")) for e in resource["spec"]["env"]}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("patterns", SOME, ids="+".join)
def test_each_field_is_known_to_its_reader(
    make: Make, layout: str, patterns: tuple[str, ...]
) -> None:
    resources = render(make(), "orders", layout=layout, patterns=patterns)
    for resource in resources.values():
        check(resource)
    places = [(r["kind"], r["metadata"]["name"]) for r in resources.values()]
    assert len(set(places)) == len(places)


def test_a_function_that_runs_the_graph(make: Make) -> None:
    project = make(params={"max_body": 1000, "timeout": 2.5})
    resources = render(project, "orders")
    assert list(resources) == [
        "function-orders", "budget-orders", "gateway-orders", "monitor-orders"
    ]  # fmt: skip
    spec = resources["function-orders"]["spec"]
    assert (spec["handler"], spec["runtime"], spec["image"]) == (
        "functions.serve.function:handler", "python:3.11", "sluice-serving"
    )  # fmt: skip
    http = spec["triggers"]["http"]
    assert (http["numWorkers"], http["attributes"]["maxRequestBodySize"]) == (2, 1000)
    assert "batch" not in http
    assert spec["eventTimeout"] == "2.5s"
    assert (spec["minReplicas"], spec["maxReplicas"], spec["targetCPU"]) == (2, 4, 75)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert [v["volumeMount"]["mountPath"] for v in spec["volumes"]] == ["/tmp"]
    labels = resources["function-orders"]["metadata"]["labels"]
    selected = resources["budget-orders"]["spec"]["selector"]["matchLabels"]
    assert selected.items() <= labels.items()


def test_secrets_are_references_and_each_pod_gets_what_it_needs(make: Make) -> None:
    resources = render(make(), "orders", patterns=PATTERNS)
    serve, stream = env(resources["function-orders"]), env(resources["function-orders-stream"])
    assert serve["SLUICE_SALT"] == {"secretKeyRef": {"name": "shop", "key": "salt"}}
    assert serve["SLUICE_GRAPH"] == "orders"
    assert serve["SLUICE_MODELS"] == "s3://bucket/models"
    assert "SLUICE_DATABASE" not in serve
    assert "SLUICE_STREAM" not in serve
    assert stream["SLUICE_STREAM"] == "kafka://one:9092,two:9092"
    job = resources["job-orders-batch"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    names = [e["name"] for e in job["containers"][0]["env"]]
    assert "SLUICE_DATABASE" in names
    assert job["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_a_function_that_works_off_kafka(make: Make) -> None:
    resources = render(make(), "orders", patterns=["stream"])
    spec = resources["function-orders-stream"]["spec"]
    trigger = spec["triggers"]["requests"]
    assert (trigger["kind"], trigger["explicitAckMode"]) == ("kafka-cluster", "enable")
    assert trigger["attributes"] == {
        "brokers": ["one:9092", "two:9092"], "topics": ["shop.orders.requests"],
        "consumerGroup": "shop.orders", "initialOffset": "earliest",
        "workerAllocationMode": "static",
    }  # fmt: skip
    assert spec["triggers"]["http"]["numWorkers"] == 1
    assert "eventTimeout" not in spec, "a store that is away is waited for"
    scaling = resources["scaling-orders-stream"]["spec"]
    lag = scaling["triggers"][0]["metadata"]
    assert (lag["topic"], lag["consumerGroup"]) == ("shop.orders.requests", "shop.orders")
    assert scaling["scaleTargetRef"]["name"] == "nuclio-orders-stream"
    assert scaling["advanced"]["horizontalPodAutoscalerConfig"]["name"] == "nuclio-orders-stream"
    topics = [r["spec"]["topicName"] for r in resources.values() if r["kind"] == "KafkaTopic"]
    assert topics == [
        f"shop.orders.{t}"
        for t in ("requests", "predictions", "dead-letters", "dead-letters.replayed")
    ]


def test_steps_know_the_next_one_by_url(make: Make) -> None:
    sizes = {"model": {"replicas": {"max": 8}, "workers": 4}}
    resources = render(make(changed(functions=sizes)), "orders", layout="steps")
    functions = [resources[f"function-orders-{s}"] for s in STEPS]
    nexts = [env(f).get("SLUICE_NEXT") for f in functions]
    assert nexts == [*(f"http://nuclio-orders-{s}:8080" for s in STEPS[1:]), None]
    assert [f["spec"]["maxReplicas"] for f in functions] == [4, 4, 4, 8, 4]
    assert functions[3]["spec"]["triggers"]["http"]["numWorkers"] == 4
    assert functions[3]["spec"]["minReplicas"] == 2, "what is not said again stays"
    door = resources["gateway-orders"]["spec"]["upstreams"]
    assert [u["nucliofunction"]["name"] for u in door] == ["orders-enrich"]
    here = render(make(), "orders", layout="steps", address="http://nuclio-nuclio-{name}:8080")
    assert env(here["function-orders-enrich"])["SLUICE_NEXT"].startswith("http://nuclio-nuclio-")


def test_steps_know_the_next_one_by_topic(make: Make) -> None:
    resources = render(make(), "orders", layout="steps", patterns=["stream"])
    functions = [resources[f"function-orders-stream-{s}"] for s in STEPS]
    triggers = [f["spec"]["triggers"]["requests"]["attributes"] for f in functions]
    taken = [t["topics"][0] for t in triggers]
    given = [env(f)["SLUICE_NEXT"] for f in functions]
    assert taken[0] == "shop.orders.requests"
    assert given == [*taken[1:], "shop.orders.predictions"]
    assert len({t["consumerGroup"] for t in triggers}) == 5
    assert given[0] == "shop.orders.transform"
    assert triggers[0]["topics"][1:] == ["shop.orders.enrich"], "where a message begins anew"
    topics = {r["spec"]["topicName"] for r in resources.values() if r["kind"] == "KafkaTopic"}
    assert {*taken, *given, "shop.orders.enrich"} <= topics


def test_steps_of_ones_own_are_no_functions(make: Make) -> None:
    project = make()
    file = project.root / "graph.yaml"
    file.write_text(file.read_text("utf-8").replace("transform", "own"), "utf-8")
    with pytest.raises(DeclarationError, match=r"steps: are enrich, own, .*the layout fused takes"):
        render(project, "orders", layout="steps")
    assert "function-orders" in render(project, "orders")


def test_rest_when_nothing_comes(make: Make) -> None:
    rest = {"min": 0, "max": 3, "idle": "90s"}
    resources = render(make(changed(replicas=rest)), "orders", patterns=["http", "stream"])
    spec = resources["function-orders"]["spec"]
    assert spec["minReplicas"] == 0
    assert spec["scaleToZero"]["scaleResources"][0]["windowSize"] == "90s"
    stream = resources["function-orders-stream"]["spec"]
    assert (stream["minReplicas"], "scaleToZero" in stream) == (1, False)
    assert resources["scaling-orders-stream"]["spec"]["minReplicaCount"] == 0


def test_batching_is_asked_for(make: Make) -> None:
    deploy = changed(batching={"size": 16, "wait": "2ms"})
    resources = render(make(deploy), "orders", patterns=["http", "stream"])
    batch = resources["function-orders"]["spec"]["triggers"]["http"]["batch"]
    assert batch == {"mode": "enable", "batchSize": 16, "timeout": "2ms"}
    assert "batch" not in resources["function-orders-stream"]["spec"]["triggers"]["http"]
    check(resources["function-orders"])


@pytest.mark.parametrize(
    ("authentication", "mode", "annotation"),
    [
        ({"kind": "none"}, "none", None),
        ({"kind": "oauth2"}, "oauth2", None),
        ({"kind": "accessKey"}, "accessKey", None),
        ({"kind": "basic", "secret": "users"}, "none", ("auth-secret", "users")),
        ({"kind": "url", "url": "http://auth/check"}, "none", ("auth-url", "http://auth/check")),
    ],
)
def test_the_door_asks_who_comes(
    make: Make, authentication: Any, mode: str, annotation: tuple[str, str] | None
) -> None:
    door = {"host": "shop.example.com", "authentication": authentication}
    gateway = render(make(changed(ingress=door)), "orders")["gateway-orders"]
    check(gateway)
    assert gateway["spec"]["authenticationMode"] == mode
    assert "authentication" not in gateway["spec"], "Nuclio would want the password here"
    found = gateway["spec"]["upstreams"][0].get("extraAnnotations", {})
    if annotation:
        assert found[f"nginx.ingress.kubernetes.io/{annotation[0]}"] == annotation[1]
    else:
        assert found == {}


def test_a_canary_takes_its_share(make: Make) -> None:
    door = {**ENOUGH["ingress"], "canary": {"percentage": 10, "image": "sluice-serving:2"}}
    resources = render(make(changed(ingress=door)), "orders")
    for resource in resources.values():
        check(resource)
    upstreams = resources["gateway-orders"]["spec"]["upstreams"]
    shares = [(u["nucliofunction"]["name"], u.get("percentage")) for u in upstreams]
    assert shares == [("orders", None), ("orders-canary", 10)]
    canary = resources["function-orders-canary"]
    assert canary["spec"]["image"] == "sluice-serving:2"
    assert canary["metadata"]["labels"]["app.kubernetes.io/name"] == "orders-canary"


def test_brokers_that_ask_for_a_password(make: Make) -> None:
    sasl = {"user": "shop", "secret": "kafka-user", "ca": "kafka-cluster-ca-cert/ca.crt"}
    kafka = {"brokers": "one:9093", "sasl": sasl, "partitions": 8}
    secrets = {**ENOUGH["secrets"], "SLUICE_STREAM": "kafka-user/url"}
    project = make(changed(kafka=kafka, secrets=secrets))
    resources = render(project, "orders", patterns=["stream"])
    for resource in resources.values():
        check(resource)
    spec = resources["function-orders-stream"]["spec"]
    attributes = spec["triggers"]["requests"]["attributes"]
    assert attributes["sasl"]["password"] == "/etc/sluice/kafka/password"
    assert attributes["caCert"] == "/etc/sluice/kafka-ca/ca.crt"
    assert [v["volume"].get("secret") for v in spec["volumes"]] == [
        None, {"secretName": "kafka-user"}, {"secretName": "kafka-cluster-ca-cert"}
    ]  # fmt: skip
    stream = env(resources["function-orders-stream"])["SLUICE_STREAM"]
    assert stream == {"secretKeyRef": {"name": "kafka-user", "key": "url"}}
    scaling = resources["scaling-orders-stream"]["spec"]["triggers"][0]
    assert scaling["authenticationRef"] == {"name": "orders-kafka"}
    assert scaling["metadata"]["sasl"] == "scram_sha512"
    keys = resources["scaling-orders-kafka"]["spec"]["secretTargetRef"]
    assert [k["parameter"] for k in keys] == ["username", "password", "ca"]
    assert not any(r["kind"] == "KafkaTopic" for r in resources.values())
    with pytest.raises(DeclarationError, match=r"secrets.SLUICE_STREAM: is missing"):
        render(make(changed(kafka=kafka)), "orders", patterns=["stream"])


def test_embedded_stores_serve_one_pod(make: Make) -> None:
    alone = {"claim": "orders-state"}
    resources = render(make(alone), "orders")
    spec = resources["function-orders"]["spec"]
    check(resources["function-orders"])
    state = env(resources["function-orders"])["SLUICE_STATE"]
    assert {v["volumeMount"]["mountPath"] for v in spec["volumes"]} == {"/tmp", state}
    for deploy, how in (
        ({**alone, "replicas": {"max": 2}}, {}),
        (alone, {"layout": "steps"}),
        ({**alone, "kafka": {"brokers": "one:9092"}}, {"patterns": ["http", "stream"]}),
        ({**alone, "batch": ENOUGH["batch"]}, {"patterns": ["http", "batch"]}),
    ):
        with pytest.raises(DeclarationError, match=r"env.SLUICE_MODELS: .*s3://BUCKET"):
            render(make(deploy), "orders", **how)
    with pytest.raises(DeclarationError, match=r"gone with its pod .*deploy.claim"):
        render(make({}), "orders")
    own = {"env": {"SLUICE_MODELS": "s3://bucket"}, "replicas": {"max": 2}}
    with pytest.raises(DeclarationError, match=r"env.SLUICE_FEATURES: .*redis://"):
        render(make(own), "orders")
