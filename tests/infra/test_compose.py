"""infra/compose: valid, pinned, without a secret, and with all that it mounts."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any

import pytest
import yaml

from sluice.settings import Settings
from tests.conftest import ROOT

FOLDER = ROOT / "infra" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text("utf-8")
COMPOSE: Any = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]


def test_it_keeps_to_the_compose_specification() -> None:
    command = [
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
        str(FOLDER / "compose.yaml"),
    ]  # fmt: skip
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_issue_asks_for_is_there() -> None:
    always = {name for name, service in SERVICES.items() if "profiles" not in service}
    assert {"nuclio", "kafka", "redis", "minio", "postgres", "prometheus", "grafana"} <= always
    assert {n for n, s in SERVICES.items() if s.get("profiles") == ["mlrun"]} == {
        "mlrun-api", "mlrun-database"
    }  # fmt: skip
    assert {n for n, s in SERVICES.items() if s.get("profiles") == ["learn"]} == {"learner"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_and_seen_from_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    image, _, tag = service["image"].rpartition(":")
    assert image
    assert re.search(r"\d", tag), f"{service['image']} is not pinned"
    assert not re.search(r"latest|stable", tag)
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), port
    if name != "bucket":  # it ends by itself
        if name != "learner":  # it listens nowhere
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_services_wait_for_those_that_they_need() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, f"{name} needs {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]


def test_no_secret_and_no_default_for_one() -> None:
    example = (FOLDER / "env.example").read_text("utf-8")
    names = re.findall(r"^(\w+)=(.*)$", example, re.M)
    assert all(value == "" for _, value in names)
    used = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    assert {name for name, _ in used} == {name for name, _ in names}
    assert all(how == ":?see env.example" for _, how in used), "an empty one must stop it"
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET_ACCESS|REDISCLI_AUTH", variable):
                given = str(value).startswith("${") or variable.endswith("ROOT_PASSWORD")
                assert given, f"{name}: {variable}"
                assert value == "yes" or str(value).startswith("${"), f"{name}: {variable}"
    assert ".env" in (ROOT / ".gitignore").read_text("utf-8").split()


def test_what_is_mounted_is_there() -> None:
    named = set(COMPOSE["volumes"])
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (FOLDER / source).exists(), source
            elif not source.startswith("/"):
                named.discard(source)
                assert source in COMPOSE["volumes"], source
    assert named == set(), "a volume that nothing uses"


def test_the_learner_finds_what_the_functions_share() -> None:
    service = SERVICES["learner"]
    assert service["command"][:2] == ["sluice", "learn"]
    urls = {n: v for n, v in service["environment"].items() if n.startswith("SLUICE_")}
    settings = Settings.load(None, {**urls, "SLUICE_PROJECT": "."})
    assert settings.rewards.startswith("redis://")
    for url in (settings.events, settings.rewards, settings.s3_endpoint):
        host = re.search(r"(?:@|//)([\w-]+):\d+", url.replace("//:$", "//$"))
        assert host, url
        assert host[1] in SERVICES
        assert host[1] in [*service["depends_on"], "minio"]
    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])


def test_functions_join_the_network_of_the_services() -> None:
    platform = yaml.safe_load((FOLDER / "nuclio" / "platform.yaml").read_text("utf-8"))
    network = COMPOSE["networks"]["default"]["name"]
    assert platform["local"]["defaultFunctionContainerNetworkName"] == network


def test_prometheus_scrapes_our_page_and_grafana_asks_it() -> None:
    scraping = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yaml").read_text("utf-8"))
    (job,) = scraping["scrape_configs"]
    assert job["metrics_path"] == "/metrics"
    targets = [t for config in job["static_configs"] for t in config["targets"]]
    assert "nuclio-nuclio-flight-delay:8080" in targets
    provisioning = FOLDER / "grafana" / "provisioning"
    source = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text("utf-8"))
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    dashboards = yaml.safe_load((provisioning / "dashboards" / "sluice.yaml").read_text("utf-8"))
    path = dashboards["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{path}:ro" in SERVICES["grafana"]["volumes"]
