"""The configuration that `sluice render` writes, run under Nuclio's own Python wrapper.

Models lie in S3 (moto's server), features in a real Redis; a log stands for Kafka's brokers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sluice.deploy.probe import over_http
from sluice.deploy.render import render
from sluice.streams import Message, open_stream
from tests.conftest import ROOT
from tests.deploy.processor import Pod, Trigger, answering, under_wrapper
from tests.host.nuclio_wrapper import WRAPPER
from tests.servers import ACCESS, REGION, RedisServer, aws, bucket, let_in
from tests.streaming.fakes import TOPICS
from tests.streaming.shop import read
from tests.test_store_away import opened
from tests.tiny import ORDER, Tiny

pytestmark = pytest.mark.skipif(
    not WRAPPER, reason="NUCLIO_WRAPPER does not name Nuclio's _nuclio_wrapper.py"
)
STEPS = ("enrich", "transform", "router", "model", "postprocess")
DEPLOY = """
      deploy:
        env: {{SLUICE_MODELS: "{models}", SLUICE_MONITORING: false, AWS_DEFAULT_REGION: {region}}}
        secrets:
          SLUICE_FEATURES: shop/features
          SLUICE_STREAM: shop/stream
          AWS_ACCESS_KEY_ID: shop/id
          AWS_SECRET_ACCESS_KEY: shop/key
        kafka: {{brokers: "kafka:9092"}}
"""
BODIES: list[Any] = [
    {"id": "one", "inputs": [ORDER]},
    {"id": "some", "inputs": [ORDER, {**ORDER, "amount": -1}, 7, {**ORDER, "city": None}]},
    {"id": "more", "inputs": [{**ORDER, "visits": n} for n in range(5)]},
]


@dataclass(frozen=True)
class Cluster:
    """A project whose stores are elsewhere, and what a pod of it finds."""

    shop: Tiny
    pod: Pod
    stream: str


@pytest.fixture(scope="module")
def cluster(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    shop = tiny.copy(folder / "image")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "functions", shop.root / "functions", ignore=ignored)
    models = f"s3://{bucket()}/{folder.name.replace('_', '-')}?endpoint={aws()}&timeout=10"
    with pytest.MonkeyPatch.context() as patch, closing(RedisServer()) as redis:
        let_in(patch)
        patch.setenv("AWS_DEFAULT_REGION", REGION)
        opened(shop, features=redis.url, models=models).close()
        line = "      training: tinyshop.binary"
        declared = DEPLOY.format(models=models, region=REGION)
        shop.edit("graphs/binary/graph.yaml", line, line + declared)
        stream = str(folder / "stream.log")
        secrets = {
            ("shop", "features"): redis.url, ("shop", "stream"): stream,
            ("shop", "id"): ACCESS["aws_access_key_id"],
            ("shop", "key"): ACCESS["aws_secret_access_key"],
        }  # fmt: skip
        yield Cluster(shop, Pod(shop.root, folder / "state", secrets), stream)


def functions(cluster: Cluster, layout: str, pattern: str) -> list[Any]:
    """The rendered functions, the first one being the door."""
    found = render(cluster.shop.project, "binary", layout=layout, patterns=[pattern])
    return [r for r in found.values() if r["kind"] == "NuclioFunction"]


def asked(url: str) -> list[Any]:
    """The outputs for all bodies, over HTTP."""
    ask, kind = over_http(url), {"Content-Type": "application/json"}
    said = [ask("POST", "/", json.dumps(body).encode(), kind) for body in BODIES]
    assert [s.status for s in said] == [200] * len(BODIES), said
    return [json.loads(s.body)["outputs"] for s in said]


@pytest.fixture(scope="module")
def wanted(cluster: Cluster) -> list[Any]:
    """What the graph answers in process."""
    with cluster.shop.service("binary") as service:
        return [service.predict(body["inputs"]) for body in BODIES]


def test_one_function(cluster: Cluster, wanted: list[Any]) -> None:
    [serve] = functions(cluster, "fused", "http")
    with answering(serve, cluster.pod) as url:
        assert asked(url) == wanted
        ready = over_http(url)("GET", "/v2/health/ready", None, {})
        assert json.loads(ready.body)["versions"]["champion"]


def test_five_functions_by_url(cluster: Cluster, wanted: list[Any]) -> None:
    with ExitStack() as stack:
        for function in reversed(functions(cluster, "steps", "http")):  # the last one first
            name = function["metadata"]["name"]
            url = stack.enter_context(answering(function, cluster.pod))
            cluster.pod.addresses[f"http://nuclio-{name}:8080"] = url
        assert asked(url) == wanted
        bad = over_http(url)("POST", "/", b"{", {"Content-Type": "application/json"})
        assert bad.status == 400


@pytest.mark.parametrize("layout", ["fused", "steps"])
def test_by_topics(cluster: Cluster, wanted: list[Any], layout: str) -> None:
    """One function of the stream, and five with a topic between each two."""
    stream = open_stream(cluster.stream)
    before = {
        topic: len(read(stream, topic)) for topic in (TOPICS.predictions, TOPICS.dead_letters)
    }
    sent = [Message(json.dumps(body).encode()) for body in BODIES]
    stream.producer().produce_many(TOPICS.requests, [*sent, Message(b"{")])
    brought = []
    with ExitStack() as stack:
        for function in functions(cluster, layout, "stream"):
            wrapper = stack.enter_context(under_wrapper(function, cluster.pod))
            brought.append(Trigger(function, wrapper, stream).bring_all())
            ready = wrapper.ask("/v2/health/ready", method="GET")
            assert ready.status == 200, ready.body
    assert brought == [4, *([3] * (len(brought) - 1))]
    assert len(brought) == (1 if layout == "fused" else 5)
    answers = {a["id"]: a["outputs"] for r in read_from(stream, TOPICS.predictions, before)
               for a in [json.loads(r.value)]}  # fmt: skip
    assert [answers[body["id"]] for body in BODIES] == wanted
    [letter] = read_from(stream, TOPICS.dead_letters, before)
    assert letter.value == b"{"
    assert letter.headers["sluice-step"] == ("" if layout == "fused" else "enrich")
    stream.close()


def read_from(stream: Any, topic: str, before: dict[str, int]) -> list[Any]:
    """What has come to a topic since then, by time."""
    records = sorted(read(stream, topic), key=lambda r: r.timestamp)
    return records[before[topic] :]


def test_a_store_that_goes_down_is_a_503_and_comes_back(tiny: Tiny, cluster: Cluster) -> None:
    [serve] = functions(cluster, "fused", "http")
    own = RedisServer()
    opened(cluster.shop, features=own.url).close()
    secrets = {**cluster.pod._secrets, ("shop", "features"): own.url}
    pod = Pod(cluster.shop.root, Path(cluster.stream).parent / "state", secrets)
    with closing(own), answering(serve, pod) as url:

        def status() -> int:
            kind = {"Content-Type": "application/json"}
            return over_http(url)("POST", "/", json.dumps(ORDER).encode(), kind).status

        assert status() == 200
        own.kill()
        assert status() == 503
        own.start()
        assert any(status() == 200 for _ in range(50))
