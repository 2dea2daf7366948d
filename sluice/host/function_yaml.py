"""Nuclio's function.yaml (1.14), read strictly for what the local host honours.

Nuclio itself passes over a field that it does not know; here it is an error. Fields that mean
something on a cluster only are accepted, and listed in `unused`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.declaration import Section, read_yaml

# Known to Nuclio, of no use here: what they hold is not looked at.
_SPEC = (
    "affinity", "alias", "autoScaleMetrics", "avatar", "build", "customScalingMetricSpecs",
    "dataBindings", "dealerURI", "deploymentStrategy", "devices", "disable",
    "disableDefaultHTTPTrigger", "disableSensitiveFieldsMasking", "hostIPC", "image", "imageHash",
    "imagePullPolicy", "imagePullSecrets", "initContainers", "maxReplicas", "minReplicas",
    "nodeName", "nodeSelector", "platform", "preemptionMode", "preemptionPolicy",
    "priorityClassName", "publish", "replicas", "resources", "runRegistry", "runtimeAttributes",
    "scaleToZero", "securityContext", "serviceAccount", "serviceType", "sidecars", "targetCPU",
    "tolerations", "version", "volumes", "waitReadinessTimeoutBeforeFailure",
)  # fmt: skip
_TRIGGER = (
    "annotations", "class", "explicitAckMode", "max_task_allocation", "partitions", "password",
    "paths", "secret", "total_tasks", "url", "username", "waitExplicitAckDuringRebalanceTimeout",
    "workerAllocatorName",
)  # fmt: skip
_ATTRIBUTES = (
    "cors", "disablePortPublishing", "ingresses", "reduceMemoryUsage", "serviceType",
    "workerAllocationMode",
)  # fmt: skip
_METADATA = ("annotations", "labels", "namespace", "resourceVersion")
_LEVELS = {"debug": "debug", "info": "info", "warn": "warn", "warning": "warn", "error": "error"}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass
class FunctionFile:
    """What a function.yaml says to the local host.

    Attributes:
        handler: "pkg.mod:name", or empty.
        env: environment variables by name.
        options: arguments for HostOptions.
        unused: what the file says beside that, as dotted places.
        not_run: the triggers whose events do not come here, each with the reason.
    """

    name: str
    handler: str = ""
    env: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> FunctionFile:
        """The function.yaml at `path`.

        Raises DeclarationError, with the place, for a field that Nuclio does not know, a value of
        the wrong type, and what can't be had without a cluster (a secret, another runtime).
        """
        top = Section(read_yaml(path), path)
        top.choose("apiVersion", ("nuclio.io/v1", "nuclio.io/v1beta1"))
        top.choose("kind", ("NuclioFunction", "Function"))
        metadata = top.section("metadata")
        file = cls(metadata.take("name", str))
        _pass_over(metadata, _METADATA)
        metadata.done()
        _spec(file, top.section("spec"))
        top.take("status", Mapping, None)  # what nuctl exports has it
        top.done()
        return file

    def _set(self, name: str, value: Any) -> None:
        if value is not None:
            self.options[name] = value


def _spec(file: FunctionFile, spec: Section) -> None:
    runtime = spec.take("runtime", str, "python")
    if not runtime.startswith("python"):
        raise spec.error("runtime", f"{runtime!r} is not run here", "this host runs Python only")
    spec.take("description", str, "")
    file.handler = spec.take("handler", str, "")
    file.env = _env(spec)
    file._set("event_timeout_s", _duration(spec, "eventTimeout"))
    file._set("worker_start_timeout_s", _whole(spec, "readinessTimeoutSeconds"))
    file._set("log_level", _log_level(spec))
    _triggers(file, spec)
    file.unused += _pass_over(spec, _SPEC)
    spec.done()


def _env(spec: Section) -> dict[str, str]:
    hint = "there are no secrets or config maps here: set the variable in the shell, and put it"
    if spec.take("envFrom", list, []):
        raise spec.error("envFrom", "can't be read here", f"{hint} under spec.env without envFrom")
    values = {}
    for index, item in enumerate(spec.take("env", list, [])):
        entry = Section(item, spec.file, f"{spec.where}.env[{index}]")
        name = entry.take("name", str)
        if entry.take("valueFrom", Mapping, None) is not None:
            raise entry.error("valueFrom", f"{name} can't be read here", f"{hint} as a value")
        values[name] = entry.take("value", str, "")
        entry.done()
    return values


def _log_level(spec: Section) -> str | None:
    level = None
    for index, item in enumerate(spec.take("loggerSinks", list, [])):
        sink = Section(item, spec.file, f"{spec.where}.loggerSinks[{index}]")
        sink.take("sink", str, "")
        level = level or _LEVELS[sink.choose("level", _LEVELS, "info")]
        sink.done()
    return level


def _triggers(file: FunctionFile, spec: Section) -> None:
    http = None
    for name, trigger in spec.sections("triggers", {}).items():
        kind = trigger.take("kind", str)
        if trigger.take("disabled", bool, False):
            file.not_run.append(f"{name} (disabled)")
        elif kind != "http":
            file.not_run.append(f"{name} (kind {kind})")
        elif http is not None:
            raise trigger.error("kind", "a second http trigger", f"there is {http} already")
        else:
            http = trigger.where
            _http(file, trigger, name)
    if http is None:
        file.options["workers"] = 1  # that of Nuclio's own default-http


def _http(file: FunctionFile, trigger: Section, name: str) -> None:
    older = _whole(trigger, "maxWorkers")
    file.options["workers"] = _whole(trigger, "numWorkers") or older or 1
    file.options["trigger_name"] = trigger.take("name", str, "") or name
    file._set("drain_timeout_s", _duration(trigger, "workerTerminationTimeout"))
    wait = _whole(trigger, "workerAvailabilityTimeoutMilliseconds")
    file._set("queue_timeout_s", wait / 1000 if wait else None)
    _batch(file, trigger.section("batch", {}))
    attributes = trigger.section("attributes", {})
    file._set("port", _whole(attributes, "port", least=0))
    file._set("max_body_bytes", _whole(attributes, "maxRequestBodySize"))
    file._set("max_header_bytes", _whole(attributes, "readBufferSize"))
    if attributes.choose("mode", ("sync", "async"), "sync") == "async":
        raise attributes.error("mode", "async is not run here", "one event at a time: sync")
    file.unused += _pass_over(attributes, _ATTRIBUTES)
    attributes.done()
    file.unused += _pass_over(trigger, _TRIGGER)
    trigger.done()


def _batch(file: FunctionFile, batch: Section) -> None:
    mode = batch.choose("mode", ("enable", "disable"), "disable")
    size = _whole(batch, "batchSize") or 10
    timeout = _duration(batch, "timeout")
    batch.done()
    if mode == "enable":
        file.options["batch_size"] = size
        file.options["batch_timeout_s"] = 1.0 if timeout is None else timeout


def _pass_over(section: Section, names: tuple[str, ...]) -> list[str]:
    """Take what is known and of no use; the places of what was there."""
    found = [name for name in names if section.take(name, object, None) is not None]
    return [f"{section.where}.{name}" for name in found]


def _whole(section: Section, name: str, least: int = 1) -> int | None:
    value: int | None = section.take(name, int, None)
    if value is not None and value < least:
        raise section.error(name, f"{value} is too small", f"at least {least}")
    return value


def _duration(section: Section, name: str) -> float | None:
    """Seconds of a duration as Go writes it: 30s, 1m30s, 1.5h.

    It is none of `Section.duration`: Nuclio takes no bare numbers and no days.
    """
    text: str | None = section.take(name, str, None)
    if text is None:
        return None
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise section.error(name, f"not a duration: {text!r}", "write 500ms, 30s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)
