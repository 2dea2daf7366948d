"""How a graph is deployed: spec.parameters.sluice.deploy in its graph.yaml. docs/deploy.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from sluice.declaration import Section
from sluice.deploy.beside import CORRECTION, LEARN, MONITOR
from sluice.deploy.secrets import Reference, reference, references, variables
from sluice.errors import DeclarationError
from sluice.graph import GraphSpec
from sluice.refusals import each

STEPS = ("enrich", "transform", "router", "model", "postprocess")
ROLES = ("serve", "stream", *STEPS, LEARN, CORRECTION, MONITOR)
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_GO_DURATION = re.compile(r"(\d+(ms|s|m|h))+")
_QUANTITIES = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True)
class Size:
    """How large a function is, and how it grows.

    Attributes:
        image: what it runs in; empty: what its function.yaml says.
        least, most: replicas. With least 0 it rests when nothing came for `idle`.
        cpu: percent of the requested CPU at which another replica is started.
        workers: processes in a replica; None: what its function.yaml says.
        batch_size, batch_wait: so many requests at once, or as many as come in so long; 0: one.
        requests, limits: Kubernetes' resources.
    """

    image: str = ""
    least: int = 1
    most: int = 1
    cpu: int = 75
    idle: str = "10m"
    workers: int | None = None
    batch_size: int = 0
    batch_wait: str = "5ms"
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "250m", "memory": "256Mi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"cpu": "1", "memory": "1Gi"})

    @classmethod
    def take(cls, section: Section, base: Size) -> Size:
        """The size in a section, which says how it differs from `base`; the rest is left there."""
        replicas, batching = section.section("replicas", {}), section.section("batching", {})
        least = whole(replicas, "min", 0, 1000, base.least)
        size = cls(
            image=section.take("image", str, base.image),
            least=least,
            most=whole(replicas, "max", 1, 1000, max(base.most, least)),
            cpu=whole(replicas, "cpu", 1, 100, base.cpu),
            idle=_go_duration(replicas, "idle", base.idle),
            workers=whole(section, "workers", 1, 1000, base.workers),
            batch_size=whole(batching, "size", 0, 10_000, base.batch_size),
            batch_wait=_go_duration(batching, "wait", base.batch_wait),
            **_resources(section.section("resources", {}), base),
        )
        replicas.done()
        batching.done()
        if size.least > size.most:
            raise replicas.error("min", f"{size.least} is more than max, {size.most}")
        return size


@dataclass(frozen=True)
class Kafka:
    """The brokers of a graph's stream.

    Attributes:
        lag: requests that wait, per replica, at which another one is started.
        partitions, replication: of the graph's topics.
        cluster: Strimzi's, whose operator makes the topics; empty: they are made elsewhere.
        user, secret, mechanism, tls: SASL. The secret has the keys username and password.
        ca: the certificate of who signed the brokers'; None: a public one did.
    """

    brokers: str
    lag: int = 1000
    partitions: int = 6
    replication: int = 3
    cluster: str = ""
    user: str = ""
    secret: str = ""
    mechanism: str = "SCRAM-SHA-512"
    tls: bool = True
    ca: Reference | None = None

    @classmethod
    def take(cls, section: Section) -> Kafka:
        """The brokers in a section."""
        sasl = section.section("sasl", {}) if "sasl" in section.names else None
        kafka = cls(
            brokers=section.take("brokers", str),
            lag=whole(section, "lag", 1, 10**9, cls.lag),
            partitions=whole(section, "partitions", 1, 10_000, cls.partitions),
            replication=whole(section, "replication", 1, 100, cls.replication),
            cluster=section.take("cluster", str, ""),
            **({} if sasl is None else _sasl(sasl)),
        )
        section.done()
        return kafka


@dataclass(frozen=True)
class Ingress:
    """The door to a graph: Nuclio's API gateway.

    Attributes:
        authentication: none, basic (`secret` is nginx' htpasswd file), url (each request is asked
            about at `url`), oauth2 or accessKey (Nuclio's own).
        percentage, canary: so much of the traffic goes to a second function with this image.
    """

    host: str
    path: str = "/"
    authentication: str = "none"
    secret: str = ""
    url: str = ""
    percentage: int = 0
    canary: str = ""

    @classmethod
    def take(cls, section: Section) -> Ingress:
        """The door in a section."""
        host, path = section.take("host", str), section.take("path", str, "/")
        check = section.section("authentication")
        kind = check.choose("kind", ("none", "basic", "url", "oauth2", "accessKey"))
        canary = section.section("canary", {}) if "canary" in section.names else None
        ingress = cls(
            host=host,
            path=path,
            authentication=kind,
            secret=check.take("secret", str) if kind == "basic" else "",
            url=check.take("url", str) if kind == "url" else "",
            percentage=whole(canary, "percentage", 1, 99) if canary else 0,
            canary=canary.take("image", str) if canary else "",
        )
        for part in (check, section, *([canary] if canary else [])):
            part.done()
        return ingress


@dataclass(frozen=True)
class Job:
    """What runs again and again: the batch pattern, the loop. `schedule` is cron's."""

    schedule: str
    image: str = "sluice-train"
    requests: Mapping[str, str] = field(default_factory=lambda: {"cpu": "500m", "memory": "1Gi"})
    limits: Mapping[str, str] = field(default_factory=lambda: {"cpu": "2", "memory": "2Gi"})

    @classmethod
    def take(cls, section: Section) -> Job:
        """The job in a section."""
        schedule = section.take("schedule", str)
        if len(schedule.split()) != 5:
            raise section.error("schedule", f"{schedule!r} is not cron's", '"*/15 * * * *"')
        resources = _resources(section.section("resources", {}), cls(schedule))
        job = cls(schedule, section.take("image", str, cls.image), **resources)
        section.done()
        return job


@dataclass(frozen=True)
class Deploy:
    """All that a graph declares of its deployment.

    Attributes:
        functions: the size of each, by role; what it does not say itself is said for all.
        env: variables by value; secrets: variables by reference.
        claim: a persistent volume claim that holds the state of a graph with embedded stores.
        windows: the one that holds what the monitor has counted; empty: no monitor is deployed.
        loop: when the loop looks; None: nowhere.
    """

    functions: Mapping[str, Size]
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Reference] = field(default_factory=dict)
    claim: str = ""
    kafka: Kafka | None = None
    ingress: Ingress | None = None
    batch: Job | None = None
    windows: str = ""
    loop: Job | None = None

    @classmethod
    def parse(cls, data: Mapping[str, Any], file: object) -> Deploy:
        """What a graph.yaml declares. Raises DeclarationError naming the field."""
        top = Section(data, file, "spec.parameters.sluice.deploy")
        size = Size.take(top, Size())
        deploy = cls(
            functions=_functions(top.section("functions", {}), size),
            env=variables(top.section("env", {})),
            secrets=references(top.section("secrets", {})),
            claim=top.take("claim", str, ""),
            kafka=Kafka.take(top.section("kafka")) if "kafka" in top.names else None,
            ingress=Ingress.take(top.section("ingress")) if "ingress" in top.names else None,
            batch=Job.take(top.section("batch")) if "batch" in top.names else None,
            windows=_claim(top.section("monitor")) if "monitor" in top.names else "",
            loop=Job.take(top.section("loop")) if "loop" in top.names else None,
        )
        for name in deploy.env.keys() & deploy.secrets.keys():
            raise top.error(f"env.{name}", "is a secret too", "keep one of them")
        top.done()
        return deploy


def check_apart(spec: GraphSpec) -> None:
    """Raise DeclarationError for a graph whose steps are not those that are functions: it can not
    be deployed in the layout steps."""
    names = tuple(step.name for step in spec.steps)
    if names != STEPS:
        problem = f"are {', '.join(names)}: in the layout steps they are {', '.join(STEPS)}"
        raise DeclarationError(spec.file, "spec.graph.steps", problem, "the layout fused takes all")


_REQUIRED: Any = object()


def whole(section: Section, name: str, least: int, most: int, default: Any = _REQUIRED) -> Any:
    """A whole number within its range. Raises DeclarationError naming the field."""
    value = section.take(name, int, *([] if default is _REQUIRED else [default]))
    if value is not None and not least <= value <= most:
        raise section.error(name, f"expected {least} to {most}, found {value}")
    return value


def _go_duration(section: Section, name: str, default: str) -> str:
    """A duration as Nuclio reads it; it is handed on as text."""
    text: str = section.take(name, str, default)
    if not _GO_DURATION.fullmatch(text):
        raise section.error(name, f"not a duration: {text!r}", "write 5ms, 30s, 10m or 1h30m")
    return text


def _resources(section: Section, base: Size | Job) -> dict[str, Mapping[str, str]]:
    found = {kind: section.section(kind, {}) for kind in ("requests", "limits")}
    section.done()
    return {k: {**getattr(base, k), **_quantities(part)} for k, part in found.items()}


def _quantities(section: Section) -> dict[str, str]:
    values = {name: section.take(name, (str, int, float), None) for name in _QUANTITIES}
    section.done()
    return {name: str(value) for name, value in values.items() if value is not None}


def _functions(section: Section, size: Size) -> dict[str, Size]:
    parts = {role: section.section(role, {}) for role in ROLES}
    section.done()
    return each(partial(_size, size), parts)


def _size(base: Size, role: str, section: Section) -> Size:
    if role == MONITOR:  # all windows of a graph are in one file
        base = replace(base, least=1, most=1, workers=None, batch_size=0)
    size = Size.take(section, base)
    if role == MONITOR and (size.least, size.most) != (1, 1):
        raise section.error("replicas", "one counts, for all windows are in one file", "leave out")
    section.done()
    return size


def _claim(section: Section) -> str:
    claim: str = section.take("claim", str)
    section.done()
    return claim


def _sasl(section: Section) -> dict[str, Any]:
    sasl = {
        "user": section.take("user", str),
        "secret": section.take("secret", str),
        "mechanism": section.choose("mechanism", MECHANISMS, Kafka.mechanism),
        "tls": section.take("tls", bool, Kafka.tls),
        "ca": reference(section, "ca") if "ca" in section.names else None,
    }
    section.done()
    return sasl
