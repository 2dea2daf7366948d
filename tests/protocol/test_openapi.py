"""/openapi.json is true: valid, and what a server answers is what it says.

EXAMPLES says how many requests are made up per operation, 5 by default.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_spec_validator import validate
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi import checks as openapi_checks

from sluice.protocol.surface import Surface
from tests.conftest import ROOT
from tests.protocol.events import raw
from tests.protocol.test_surface import ask
from tests.serving import Client, served
from tests.tiny import GRAPHS, Tiny

EXAMPLES = int(os.environ.get("EXAMPLES", "5"))
TENSORS = ("/infer", "/predict")
CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.fixture(scope="module", params=["classes", "regression"])
def server(tiny: Tiny, request: Any) -> Iterator[Client]:
    environ = {"PYTHONPATH": f"{tiny.root}{os.pathsep}{ROOT}", "SLUICE_MAX_RECORDS": "20"}
    with served(request.param, tiny.root, SLUICE_STATE=".sluice", **environ) as client:
        yield client


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_a_server_answers_as_its_document_says(server: Client, mode: GenerationMode) -> None:
    """Requests that fit the document, and ones that do not: no 500, no status that it lacks."""
    schema = schemathesis.openapi.from_url(server.url + "/openapi.json")
    operations = [operation(found) for found in schema.get_all_operations()]
    paths = server.get("/openapi.json").body["paths"]
    known = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    # Schemathesis leaves the document itself out.
    assert {o.label for o in operations} == known - {"GET /openapi.json"}
    if mode is GenerationMode.NEGATIVE:  # where there is something to get wrong
        operations = [o for o in operations if o.label.startswith("POST ")]
    statuses = {o.label: hold(o, mode) for o in operations}
    if mode is GenerationMode.POSITIVE:
        plain = [n for n in statuses if "{version}" not in n and not n.endswith(TENSORS)]
        assert len(plain) >= 7
        assert {n: statuses[n] & {200, 202} for n in plain if not statuses[n] & {200, 202}} == {}


def operation(found: Any) -> Any:
    """The operation, unless the document is wrong there."""
    return found.ok()


def hold(operation: Any, mode: GenerationMode) -> set[int]:
    """Check an operation; the statuses that were seen."""
    seen: set[int] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode))
    def holds(case: Any) -> None:
        seen.add(case.call_and_validate(checks=CHECKS).status_code)

    holds()
    return seen


@pytest.mark.parametrize("graph", GRAPHS)
def test_it_is_valid_for_every_kind_of_graph(tiny: Tiny, graph: str) -> None:
    with tiny.service(graph) as service:
        document = ask(Surface(service), raw(b"", "/openapi.json", "GET"))
        validate(document)
        assert "/feedback" not in document["paths"]
