"""Nuclio's function.yaml: what is honoured, what is passed over, what is refused and where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.errors import DeclarationError
from sluice.host import HostOptions, function_yaml
from sluice.host.function_yaml import FunctionFile

ROOT = Path(__file__).parents[2]
SCHEMA = os.environ.get("NUCLIO_SCHEMA", "")

FULL: dict[str, Any] = {
    "handler": "main:handler", "runtime": "python:3.11", "eventTimeout": "1m30s",
    "readinessTimeoutSeconds": 45, "loggerSinks": [{"level": "debug"}],
    "env": [{"name": "A", "value": "1"}, {"name": "EMPTY"}],
    "replicas": 3, "resources": {"limits": {"cpu": "1"}},
    "triggers": {
        "web": {
            "kind": "http", "numWorkers": 4, "maxWorkers": 9, "workerTerminationTimeout": "5s",
            "workerAvailabilityTimeoutMilliseconds": 1500, "url": ":8080",
            "attributes": {"port": 32001, "maxRequestBodySize": 100, "readBufferSize": 9000,
                           "ingresses": {}},
            "batch": {"mode": "enable", "batchSize": 5, "timeout": "20ms"},
        },
        "topic": {"kind": "kafka-cluster", "attributes": {"topics": ["t"]}},
        "off": {"kind": "http", "disabled": True},
    },
}  # fmt: skip


def read(tmp_path: Path, spec: Any, **top: Any) -> FunctionFile:
    file = tmp_path / "function.yaml"
    kind = {"apiVersion": "nuclio.io/v1", "kind": "NuclioFunction", "metadata": {"name": "f"}}
    file.write_text(yaml.safe_dump(kind | {"spec": spec} | top, sort_keys=False))
    return FunctionFile.read(file)


def test_what_is_honoured(tmp_path: Path) -> None:
    file = read(tmp_path, FULL)
    assert (file.name, file.handler) == ("f", "main:handler")
    assert file.env == {"A": "1", "EMPTY": ""}
    assert file.options == {
        "event_timeout_s": 90.0, "worker_start_timeout_s": 45, "log_level": "debug",
        "workers": 4, "trigger_name": "web", "drain_timeout_s": 5.0, "queue_timeout_s": 1.5,
        "port": 32001, "max_body_bytes": 100, "max_header_bytes": 9000,
        "batch_size": 5, "batch_timeout_s": 0.02,
    }  # fmt: skip
    assert HostOptions(**file.options).workers == 4


def test_what_is_not_used_here_is_listed(tmp_path: Path) -> None:
    file = read(tmp_path, FULL)
    assert set(file.unused) == {
        "spec.replicas", "spec.resources", "spec.triggers.web.url",
        "spec.triggers.web.attributes.ingresses",
    }  # fmt: skip
    assert file.not_run == ["topic (kind kafka-cluster)", "off (disabled)"]


def test_defaults_are_nuclios(tmp_path: Path) -> None:
    assert read(tmp_path, {}).options == {"workers": 1}
    older = {"triggers": {"h": {"kind": "http", "maxWorkers": 3, "batch": {"mode": "enable"}}}}
    assert read(tmp_path, older).options == {
        "workers": 3, "trigger_name": "h", "batch_size": 10, "batch_timeout_s": 1.0,
    }  # fmt: skip
    off = {"triggers": {"h": {"kind": "http", "batch": {"mode": "disable", "batchSize": 3}}}}
    assert "batch_size" not in read(tmp_path, off).options


def http(**fields: Any) -> dict[str, Any]:
    return {"triggers": {"web": {"kind": "http", **fields}}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"hanlder": "a:b"}, "spec.hanlder: unknown field (did you mean 'handler'?"),
        ({"runtime": "golang"}, "spec.runtime: 'golang' is not run here"),
        ({"eventTimeout": "30"}, "spec.eventTimeout: not a duration: '30' (write 500ms"),
        ({"eventTimeout": "1d"}, "spec.eventTimeout: not a duration: '1d'"),
        ({"env": [{"name": "A", "value": 1}]}, "spec.env[0].value: expected text, found a whole"),
        ({"env": [{"name": "A", "vaule": "1"}]}, "spec.env[0].vaule: unknown field"),
        (
            {"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {}}}]},
            "spec.env[0].valueFrom: KEY can't be read here (there are no secrets or config maps "
            "here: set the variable in the shell",
        ),
        ({"envFrom": [{"secretRef": {}}]}, "spec.envFrom: can't be read here"),
        ({"loggerSinks": [{"level": "loud"}]}, "spec.loggerSinks[0].level: unknown value 'loud'"),
        (http(workers=2), "spec.triggers.web.workers: unknown field"),
        (http(numWorkers=0), "spec.triggers.web.numWorkers: 0 is too small"),
        (http(batch={"mode": "on"}), "spec.triggers.web.batch.mode: unknown value 'on'"),
        (http(batch={"size": 3}), "spec.triggers.web.batch.size: unknown field"),
        (http(attributes={"prot": 1}), "spec.triggers.web.attributes.prot: unknown field"),
        (http(attributes={"mode": "async"}), "attributes.mode: async is not run here"),
        ({"triggers": {"web": {}}}, "spec.triggers.web.kind: is missing"),
        (
            {"triggers": {"a": {"kind": "http"}, "b": {"kind": "http"}}},
            "spec.triggers.b.kind: a second http trigger",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, spec: Any, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(tmp_path, spec)
    assert message in str(caught.value)


def test_mlruns_file_of_the_same_name_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "function.yaml"
    file.write_text("kind: serving\nmetadata: {name: f}\nspec: {}\n")
    with pytest.raises(DeclarationError, match="apiVersion: is missing"):
        FunctionFile.read(file)


def test_exported_status_is_passed_over(tmp_path: Path) -> None:
    assert read(tmp_path, {"handler": "a:b"}, status={"state": "ready"}).handler == "a:b"


@pytest.mark.parametrize("path", sorted(ROOT.glob("functions/*/function.yaml")), ids=str)
def test_our_own_functions_are_read(path: Path) -> None:
    file = FunctionFile.read(path)
    assert file.handler
    assert HostOptions(**file.options).workers >= 1


@pytest.mark.skipif(not SCHEMA, reason="NUCLIO_SCHEMA does not name the schema of a NuclioFunction")
def test_fields_are_those_of_nuclio() -> None:
    kinds = json.loads(Path(SCHEMA).read_text())["$defs"]
    read_here = {"runtime", "description", "handler", "env", "envFrom", "eventTimeout",
                 "readinessTimeoutSeconds", "loggerSinks", "triggers"}  # fmt: skip
    known = read_here | set(function_yaml._SPEC)
    assert known - {"avatar"} == set(kinds["Spec"]["properties"])
    of_trigger = {"kind", "name", "disabled", "numWorkers", "maxWorkers", "batch", "attributes",
                  "workerTerminationTimeout", "workerAvailabilityTimeoutMilliseconds"}  # fmt: skip
    assert of_trigger | set(function_yaml._TRIGGER) == set(kinds["Trigger"]["properties"])
