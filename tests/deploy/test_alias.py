"""A model version becomes champion of a running service, or does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sluice.deploy.alias import AliasTarget, deploy_model
from sluice.deploy.local import LocalOptions, at, deploy_local
from sluice.deploy.probe import Probe, over_http
from sluice.deploy.rollout import Errors, Plan, Rollout
from sluice.deploy.service import LocalDeployment
from sluice.errors import GateFailed
from sluice.project import Project
from sluice.replay import GOLDEN_FILE
from tests.conftest import ROOT
from tests.tiny import ORDER, Tiny

PLAN = Plan((50, 100), hold_s=1.5, start_s=30.0)


@pytest.fixture
def project(shop: Tiny) -> Project:
    found = shop.project
    return replace(found, settings=replace(found.settings, port=0, refresh=0.2))


@pytest.fixture
def service(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalDeployment]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield deploy_local(project, "binary", LocalOptions(workers=1), PLAN)
    at(project, "binary").stop()


def served(service: LocalDeployment) -> str:
    said = over_http(service.url)("POST", "/", json.dumps(ORDER).encode(), {})
    return str(json.loads(said.body)["version"])


def aliases(shop: Tiny) -> dict[str, str]:
    return {name: alias.version for name, alias in shop.models.aliases("binary").items()}


def test_a_version_takes_over(project: Project, shop: Tiny, service: LocalDeployment) -> None:
    assert served(service) == "2"
    assert deploy_model(project, "binary", "1", service.url, PLAN) == "1"
    assert aliases(shop)["champion"] == "1"
    assert served(service) == "1"
    with pytest.raises(GateFailed, match="version 1 is the champion already"):
        deploy_model(project, "binary", "1", service.url, PLAN)
    actions = [(m.action, m.alias, m.version) for m in shop.models.history("binary")]
    assert actions[-2:] == [("promote", "challenger", "1"), ("promote", "champion", "1")]


def test_wrong_answers_never_make_a_champion(shop: Tiny, service: LocalDeployment) -> None:
    fitted = next(iter(shop.fit("binary").values()))
    golden = json.loads(fitted.files[GOLDEN_FILE])
    golden["cases"][0]["expected"] = [0.123]
    files = {**fitted.files, GOLDEN_FILE: json.dumps(golden).encode()}
    number = shop.log("binary", replace(fitted, files=files))
    probe = Probe(over_http(service.url), "binary", shop.models)
    target = AliasTarget("binary", number, shop.models, probe)
    with pytest.raises(GateFailed, match=r"expected 0\.123, got .*; version 2 goes on as before"):
        Rollout(target, PLAN, service.folder).run()
    assert aliases(shop)["champion"] == "2"
    assert served(service) == "2"


def test_a_champion_whose_service_fails_goes_back(shop: Tiny, service: LocalDeployment) -> None:
    class Failing(Probe):
        def errors(self) -> Errors:
            there = aliases(shop)["champion"] == "1"
            return Errors(5, 10) if there else Errors(0, 0)

    probe = Failing(over_http(service.url), "binary", shop.models)
    target = AliasTarget("binary", "1", shop.models, probe)
    with pytest.raises(GateFailed, match="5 of 10 requests failed"):
        Rollout(target, PLAN, service.folder).run()
    assert aliases(shop)["champion"] == "2"
