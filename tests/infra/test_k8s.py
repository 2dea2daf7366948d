"""infra/k8s: what Kustomize makes of it is valid, complete and without a secret."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from sluice.deploy.files import as_files
from sluice.deploy.render import PATTERNS, render
from sluice.project import Project
from tests.conftest import ROOT
from tests.deploy.checked import check

K8S = ROOT / "infra" / "k8s"
SECRET = re.compile(
    r"\.(\w*PASSWORD|\w*_ACCESS_KEY|SLUICE_(SALT|STREAM|DATABASE|FEATURES)|password)$"
)
OVERLAYS = ("dev", "production", "canary")
needs_kubectl = pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="kubectl is not installed: nothing is put together"
)


@cache
def built(folder: str) -> list[Any]:
    """The resources that Kustomize puts together."""
    command = ["kubectl", "kustomize", str(K8S / folder)]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Kustomize warns of what will be gone"
    return list(yaml.safe_load_all(done.stdout))


def named(folder: str) -> dict[tuple[str, str], Any]:
    return {(r["kind"], r["metadata"]["name"]): r for r in built(folder)}


def leaves(data: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each text with its place; a variable's value lies under its name."""
    if isinstance(data, dict):
        if set(data) == {"name", "value"}:
            data = {data["name"]: data["value"]}
        for name, part in data.items():
            yield from leaves(part, f"{place}.{name}")
    elif isinstance(data, list):
        for part in data:
            yield from leaves(part, place)
    elif isinstance(data, str):
        yield place, data


def test_flight_delay_is_rendered_anew() -> None:
    """Else: sluice render flight-delay with each --pattern, --output infra/k8s/base/flight-delay"""
    files = as_files(render(Project.read(ROOT), "flight-delay", patterns=PATTERNS))
    folder = K8S / "base" / "flight-delay"
    there = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert there == files


@needs_kubectl
@pytest.mark.parametrize("folder", ["base", *(f"overlays/{o}" for o in OVERLAYS)])
def test_each_resource_is_valid(folder: str) -> None:
    for resource in built(folder):
        check(resource)
    assert len(named(folder)) == len(built(folder))


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_is_whole(overlay: str) -> None:
    found = named(f"overlays/{overlay}")
    kinds = {kind for kind, _ in found}
    assert kinds >= {
        "NuclioFunction", "NuclioAPIGateway", "ScaledObject", "TriggerAuthentication",
        "NetworkPolicy", "ServiceMonitor", "KafkaTopic", "CronJob", "ServiceAccount",
    }  # fmt: skip
    assert ("PodDisruptionBudget" in kinds) == (overlay != "dev")
    spaces = {r["metadata"].get("namespace") for r in found.values() if r["kind"] != "Namespace"}
    (space,) = {name for kind, name in found if kind == "Namespace"}
    assert spaces == {space}


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_images_have_a_tag_and_secrets_no_value(overlay: str) -> None:
    for (kind, _), resource in named(f"overlays/{overlay}").items():
        assert kind != "Secret"
        for place, value in leaves(resource):
            if SECRET.search(place):
                assert value.startswith("/etc/sluice/"), place
        if kind == "NuclioFunction":
            assert ":" in resource["spec"]["image"]
        if kind == "CronJob":
            pod = resource["spec"]["jobTemplate"]["spec"]["template"]["spec"]
            assert ":" in pod["containers"][0]["image"]


@needs_kubectl
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_named_elsewhere_is_there(overlay: str) -> None:
    found = named(f"overlays/{overlay}")
    functions = {name for kind, name in found if kind == "NuclioFunction"}
    labels = [r["metadata"]["labels"] for (k, _), r in found.items() if k == "NuclioFunction"]
    for (kind, _), resource in found.items():
        spec = resource.get("spec", {})
        if kind == "NuclioAPIGateway":
            assert {u["nucliofunction"]["name"] for u in spec["upstreams"]} <= functions
        if kind == "ScaledObject":
            assert spec["scaleTargetRef"]["name"].removeprefix("nuclio-") in functions
        if kind == "NuclioFunction":
            assert ("ServiceAccount", spec["serviceAccount"]) in found
        if kind == "PodDisruptionBudget":
            selected = spec["selector"]["matchLabels"].items()
            assert sum(selected <= own.items() for own in labels) == 1
        if kind == "NetworkPolicy":
            selected = spec["podSelector"]["matchLabels"].items()
            assert all(selected <= own.items() for own in labels)


@needs_kubectl
def test_dev_is_one_of_each() -> None:
    for (kind, _), resource in named("overlays/dev").items():
        if kind == "NuclioFunction":
            assert (resource["spec"]["minReplicas"], resource["spec"]["maxReplicas"]) == (1, 1)


@needs_kubectl
def test_a_canary_takes_a_tenth() -> None:
    before, found = named("overlays/production"), named("overlays/canary")
    assert set(found) - set(before) == {("NuclioFunction", "flight-delay-canary")}
    gateway = found["NuclioAPIGateway", "flight-delay"]["spec"]
    shares = {u["nucliofunction"]["name"]: u.get("percentage") for u in gateway["upstreams"]}
    assert shares == {"flight-delay": None, "flight-delay-canary": 10}
    asked = [u["extraAnnotations"] for u in gateway["upstreams"]]
    assert asked[0] == asked[1], "who asks the canary says who they are, too"
    old, new = (found["NuclioFunction", f"flight-delay{n}"] for n in ("", "-canary"))
    assert old["spec"]["image"] != new["spec"]["image"]
    assert new["metadata"]["labels"]["app.kubernetes.io/name"] == "flight-delay-canary"
    same = {k: v for k, v in old["spec"].items() if k not in ("image", "minReplicas")}
    assert same.items() <= new["spec"].items()


def test_each_overlay_knows_where_a_function_has_its_image() -> None:
    texts = {path.read_text("utf-8") for path in K8S.rglob("images.yaml")}
    assert len(texts) == 1
