"""Settings: from project.yaml, overridden by the environment. The only reader of the environment.

Each setting `name` is read from the project's parameters (spec.params.sluice.name in
project.yaml) and overridden by the environment variable SLUICE_NAME. docs/settings.md has a
heading for each; a test holds that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from sluice.errors import DeclarationError, nearest
from sluice.refusals import refuse

log = logging.getLogger("sluice")
PREFIX = "SLUICE_"
_NO_SETTINGS = {"project"}  # the project's folder
# Variables that platforms set: whoever starts a server, MLRun where it monitors a function, and
# OpenTelemetry's own.
_PLATFORMS = {
    "port": "PORT",
    "monitoring_url": "MODEL_MONITORING_URL",
    "endpoint_uid": "MODEL_ENDPOINT_UID",
    "endpoint_name": "MODEL_ENDPOINT_NAME",
    "otlp": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "otlp_headers": "OTEL_EXPORTER_OTLP_HEADERS",
    "otlp_service": "OTEL_SERVICE_NAME",
    "otlp_ratio": "OTEL_TRACES_SAMPLER_ARG",
}
MOUNTED_SPEC = Path("/tmp/mlrun/serving-conf/serving_spec.json")


@dataclass(frozen=True, repr=False)  # some of them are secrets, or URLs with passwords
class Settings:
    """All settings, typed. Paths are relative to the project's folder.

    `serving_spec` is what MLRun hands a serving function over (its mounted file, else the
    variable SERVING_SPEC_ENV), or empty.
    """

    graph: str = field(default="", metadata={"help": "the graph that a function serves"})
    state: str = field(default=".sluice", metadata={"help": "folder for all that is kept locally"})
    models: str = field(default="", metadata={"help": "model store; empty: STATE/models"})
    features: str = field(default="", metadata={"help": "online store; empty: STATE/features"})
    feast: str = field(default="", metadata={"help": "address of Feast's feature server"})
    events: str = field(default="", metadata={"help": "monitoring stream; empty: STATE/events.log"})
    stream: str = field(
        default="", metadata={"help": "stream of requests and predictions; empty: STATE/stream.log"}
    )
    rewards: str = field(default="", metadata={"help": "ledger of rewards; empty: STATE/rewards"})
    database: str = field(default="", metadata={"help": "batch database; empty: STATE/batch.db"})
    s3_endpoint: str = field(default="", metadata={"help": "address of the S3 API; empty: boto3's"})
    host: str = field(default="127.0.0.1", metadata={"help": "address that `serve` listens on"})
    port: int = field(default=8080, metadata={"help": "port that `serve` listens on"})
    workers: int = field(default=2, metadata={"help": "worker processes of `serve`"})
    refresh: float = field(
        default=1.0,
        metadata={
            "help": "seconds between looks at the aliases by a server",
            "least": 0.01,
            "most": 86_400.0,
        },
    )
    max_body: int = field(default=8_388_608, metadata={"help": "largest request body, bytes"})
    max_records: int = field(
        default=10_000, metadata={"help": "most records in one request", "least": 1}
    )
    timeout: float = field(default=30.0, metadata={"help": "seconds that one event may take"})
    monitoring: bool = field(default=True, metadata={"help": "whether predictions are events"})
    monitoring_url: str = field(
        default="", metadata={"help": "where MLRun's monitoring takes events; empty: nowhere"}
    )
    endpoint_uid: str = field(default="", metadata={"help": "uid of the model endpoint in MLRun"})
    endpoint_name: str = field(default="", metadata={"help": "name of the model endpoint in MLRun"})
    otlp: str = field(
        default="", metadata={"help": "where a collector takes OTLP by HTTP; empty: nowhere"}
    )
    otlp_headers: str = field(default="", metadata={"help": "headers for that collector"})
    otlp_service: str = field(default="", metadata={"help": "service.name; empty: the graph's"})
    otlp_ratio: float = field(
        default=1.0,
        metadata={
            "help": "share of requests that are traced, without a parent",
            "least": 0.0,
            "most": 1.0,
        },
    )
    otlp_interval: float = field(
        default=60.0, metadata={"help": "seconds between pushes of metrics", "least": 1.0}
    )
    retention_bytes: int = field(
        default=1_073_741_824, metadata={"help": "monitoring events kept, bytes", "least": 1}
    )
    retention_s: float = field(
        default=604_800.0, metadata={"help": "monitoring events kept, seconds", "least": 1.0}
    )
    stream_retention_s: float = field(
        default=0.0,
        metadata={"help": "requests and predictions kept, seconds; 0: all", "least": 0.0},
    )
    database_retention_s: float = field(
        default=0.0,
        metadata={"help": "predictions of the batch database kept, seconds; 0: all", "least": 0.0},
    )
    audit: str = field(default="", metadata={"help": "audit trail; empty: STATE/audit.jsonl"})
    actor: str = field(default="", metadata={"help": "who acts, for the audit trail"})
    salt: str = field(default="", metadata={"help": "salt of fields that events carry hashed"})
    api_keys: str = field(default="", metadata={"help": "sums of API keys, after their names"})
    api_keys_file: str = field(default="", metadata={"help": "file with sums of API keys"})
    jwks_url: str = field(default="", metadata={"help": "key set of who issues tokens"})
    jwt_issuer: str = field(default="", metadata={"help": "issuer that tokens must name"})
    jwt_audience: str = field(default="", metadata={"help": "audience that tokens must name"})
    jwt_algorithms: str = field(
        default="RS256,ES256", metadata={"help": "algorithms that tokens may be signed with"}
    )
    jwt_scope: str = field(default="", metadata={"help": "scope that tokens must hold"})
    jwt_leeway: float = field(
        default=30.0,
        metadata={"help": "seconds by which clocks may differ", "least": 0.0, "most": 600.0},
    )
    api_key: str = field(
        default="", metadata={"help": "key with which guarded functions are asked"}
    )
    arm: str = field(default="", metadata={"help": "alias that a canary's own function answers"})
    next: str = field(default="", metadata={"help": "where a step's message goes on"})
    public: str = field(default="", metadata={"help": "pages that need no credentials"})
    seed: int = field(default=20130101, metadata={"help": "seed of all that is random"})
    serving_spec: str = field(default="", metadata={"internal": True})

    @classmethod
    def load(
        cls,
        params: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        file: object = "project.yaml",
    ) -> Settings:
        """Settings from a project's parameters and the environment.

        Raises DeclarationError for a name that is no setting, or a value of the wrong type or
        out of its range. A variable SLUICE_… that is no setting is ignored, and the log says so.
        """
        environ = os.environ if environ is None else environ
        known = {f.name: f for f in fields(cls) if not f.metadata.get("internal")}
        values: dict[str, Any] = {}
        if not isinstance(params or {}, Mapping):
            raise DeclarationError(file, "spec.params.sluice", "expected a mapping of settings")
        for name, value in (params or {}).items():
            if name not in known:
                where, hint = f"spec.params.sluice.{name}", nearest(name, known)
                refuse(DeclarationError(file, where, "no such setting", hint), None)
                continue
            values[name] = _read(known[name], value, file, f"spec.params.sluice.{name}")
        for name, setting in known.items():
            variable = PREFIX + name.upper()
            if variable in environ:
                values[name] = _read(setting, environ[variable], "environment", variable)
        for name, variable in _PLATFORMS.items():
            if variable in environ and PREFIX + name.upper() not in environ:
                values[name] = _read(known[name], environ[variable], "environment", variable)
        for error in unknown_variables(environ):
            _warn(str(error))
        return cls(**values, serving_spec=_serving_spec(environ))

    def environment(self) -> dict[str, str]:
        """The settings that differ from their defaults, as environment variables."""
        own = [f for f in fields(self) if not f.metadata.get("internal")]
        changed = {f.name: getattr(self, f.name) for f in own if getattr(self, f.name) != f.default}
        return {PREFIX + n.upper(): str(v) for n, v in changed.items()}


def project_root(environ: Mapping[str, str] | None = None) -> str | None:
    """The folder that SLUICE_PROJECT names, or None."""
    return (os.environ if environ is None else environ).get(PREFIX + "PROJECT")


def unknown_variables(environ: Mapping[str, str]) -> list[DeclarationError]:
    """What is wrong with variables that are spelled as settings and are none; no value is told."""
    known = {f.name for f in fields(Settings) if not f.metadata.get("internal")} | _NO_SETTINGS
    names = [PREFIX + name.upper() for name in known]
    return [
        DeclarationError("environment", name, "no such setting", nearest(name, names))
        for name in sorted(environ)
        if name.startswith(PREFIX) and name not in names
    ]


@cache
def _warn(text: str) -> None:
    """Once a process: settings are read in many places."""
    log.warning("%s; it is ignored", text)


def variables() -> dict[str, str]:
    """All environment variables, for the secrets that a graph names."""
    return dict(os.environ)


def export(settings: Settings, root: Path) -> None:
    """Put settings into this process's environment, for the functions that it will start."""
    os.environ.update(settings.environment(), SLUICE_PROJECT=str(root))


def _serving_spec(environ: Mapping[str, str]) -> str:
    if MOUNTED_SPEC.is_file():
        return MOUNTED_SPEC.read_text("utf-8")
    return environ.get("SERVING_SPEC_ENV", "")


_TRUE = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


_NAMES = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "text"}
_KINDS: dict[str, Any] = {"str": str, "int": int, "float": float}


def _read(setting: Field[Any], value: Any, file: object, where: str) -> Any:
    """A value as the type that a setting has, within its range if it has one."""
    try:
        typed = _typed(setting.type, value, file, where)
        least, most = setting.metadata.get("least"), setting.metadata.get("most")
        if least is not None and typed < least:
            raise DeclarationError(file, where, f"expected at least {least}, found {value!r}")
        if most is not None and typed > most:
            raise DeclarationError(file, where, f"expected at most {most}, found {value!r}")
        return typed
    except DeclarationError as error:
        return refuse(error, setting.default)


def _typed(kind: Any, value: Any, file: object, where: str) -> Any:
    """A value from a file, or the text of a variable, as the type that a setting has."""
    try:
        if kind == "bool":
            return _TRUE[str(value).lower()]
        if isinstance(value, (str, _KINDS[kind])) and not isinstance(value, bool):
            typed = _KINDS[kind](value)
            if typed == typed:
                return typed
        elif kind == "float" and type(value) is int:
            return float(value)
    except (KeyError, ValueError):
        pass
    raise DeclarationError(file, where, f"expected {_NAMES[kind]}, found {value!r}")
