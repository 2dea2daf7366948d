"""The checks of rendered resources find what their readers would pass over in silence."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import pytest

from sluice.deploy.render import PATTERNS, render
from tests.deploy.checked import check
from tests.deploy.conftest import Make

WRONG = (AssertionError, jsonschema.ValidationError, kubernetes_validate.ValidationError)
CHANGES = [
    ("function-orders", ("spec",), "minReplica", 1),
    ("function-orders", ("spec",), "minReplicas", "1"),
    ("function-orders", ("spec", "triggers", "http"), "numWorker", 2),
    ("function-orders", ("spec", "triggers", "http"), "name", "other"),
    ("function-orders", ("spec", "securityContext"), "readOnlyRootFilesystem", True),
    ("function-orders", ("spec", "env", 0), "valeu", "x"),
    ("function-orders", ("spec", "volumes", 0, "volume"), "emptydir", {}),
    ("function-orders", ("spec", "volumes", 0, "volumeMount"), "name", "other"),
    ("gateway-orders", ("spec", "upstreams", 0), "percent", 10),
    ("scaling-orders-stream", ("spec",), "minReplicaCounts", 1),
    ("scaling-orders-stream", ("spec", "triggers", 0, "metadata"), "lagThreshold", 5),
    ("budget-orders", ("spec",), "maxUnavailables", 1),
    ("topic-shop.orders.requests", ("spec",), "partition", 1),
    ("job-orders-batch", ("spec",), "concurrency", "Forbid"),
    ("job-orders-batch", ("metadata",), "name", "No_Name"),
]


@pytest.mark.parametrize(("name", "place", "field", "value"), CHANGES)
def test_one_wrong_field_is_found(
    make: Make, name: str, place: tuple[Any, ...], field: str, value: Any
) -> None:
    resource = copy.deepcopy(render(make(), "orders", patterns=PATTERNS)[name])
    check(resource)
    part: Any = resource
    for step in place:
        part = part[step]
    part[field] = value
    with pytest.raises(WRONG):
        check(resource)
