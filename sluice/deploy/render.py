"""A graph's deployment as resources of a cluster: plain data, the same for the same declaration.

render(project, "flight-delay", patterns=("http", "stream"))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sluice.declaration import Section, read_yaml
from sluice.deploy import cluster, pods
from sluice.deploy.beside import teachers
from sluice.deploy.declared import STEPS, Deploy, check_apart
from sluice.deploy.function import Function, Graph, Resource, nuclio_function
from sluice.deploy.monitored import monitor, monitored
from sluice.deploy.scraping import service_monitor
from sluice.errors import DeclarationError, nearest
from sluice.graph import GraphSpec
from sluice.parameters import Parameters
from sluice.project import FILE, Project
from sluice.settings import Settings
from sluice.streaming.stages import stages
from sluice.streaming.topics import Topics

LAYOUTS = ("fused", "steps")
PATTERNS = ("http", "stream", "batch")
ADDRESS = "http://nuclio-{name}:8080"  # of a function, seen from its own namespace


def render(
    project: Project,
    graph: str,
    *,
    layout: str = "fused",
    patterns: Sequence[str] = ("http",),
    address: str = ADDRESS,
) -> dict[str, Resource]:
    """The resources of a graph's deployment, by a name that is good for a file.

    Nothing but the project's files decides on them: the environment is not looked at.

    Args:
        project: whose graph it is.
        graph: its name.
        layout: fused, one function runs the graph; or steps, each step is a function.
        patterns: http, stream, batch: one or more.
        address: where a function is reached, with {name} in it; for the layout steps.

    Raises DeclarationError: for what is not declared and needed, embedded stores that several
    functions or replicas would have to share, a function.yaml that is wrong.
    """
    _one_of("layout", [layout], LAYOUTS)
    _one_of("pattern", patterns, PATTERNS)
    declared, topics = read_graph(project, graph)
    if layout == "steps":
        check_apart(GraphSpec.read(project.graph_file(graph)))
    http = _line(graph, layout, address) if "http" in patterns else []
    stream = _stream(declared, topics, layout) if "stream" in patterns else []
    counting = monitor(declared)
    check_stores(declared, [*http, *stream, *counting], "batch" in patterns)
    resources = dict(_functions(declared, http, stream))
    if "http" in patterns:
        resources |= _door(declared, http[0])
    if "stream" in patterns:
        resources |= _kafka(declared, stream, topics)
    if "batch" in patterns:
        batch = _needed(declared, "batch", declared.deploy.batch)
        resources[f"job-{graph}-batch"] = pods.batch_job(declared, batch)
    if http or stream:
        for role in declared.taught:
            resources[f"teacher-{graph}-{role}"] = pods.teacher(declared, role)
    resources |= monitored(declared, counting)
    if http or stream:
        # Over HTTP the door alone has /metrics, and counts all steps.
        resources[f"monitor-{graph}"] = service_monitor(declared, [f.name for f in http[1:]])
    return resources


def read_graph(project: Project, name: str) -> tuple[Graph, Topics]:
    """A graph with what it declares of its deployment, and its topics."""
    spec = GraphSpec.read(project.graph_file(name))
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    deploy = Deploy.parse(parameters.deploy or {}, spec.file)
    place = project.root / FILE
    params = Section(read_yaml(place), place).section("spec").take("params", Mapping, {})
    settings = Settings.load(params.get("sluice"), deploy.env, place)
    topics = Topics.of(project.name, parameters.graph, parameters.stream)
    taught, loops = teachers(project, name), parameters.retrain is not None
    return Graph(project, name, spec.file, deploy, settings, taught, loops), topics


def check_stores(graph: Graph, functions: Sequence[Function], batch: bool) -> None:
    """Refuse embedded stores that more than one pod would need, or that would be gone with one.

    Raises DeclarationError, with the setting, and what would do.
    """
    pods = sum(graph.deploy.functions[f.role].most for f in functions)
    several = pods > 1 or ((batch or bool(graph.taught)) and pods > 0)
    stores = {"models": "s3://BUCKET/PREFIX", "features": "redis://HOST:6379/0"}
    if graph.taught:
        stores["rewards"] = "redis://HOST:6379/1"
    if graph.taught or graph.deploy.windows:
        stores["events"] = "kafka://HOST:9092"
    if batch:
        stores["database"] = "postgresql+psycopg://… as a secret"
    for setting, instead in stores.items():
        variable, url = f"SLUICE_{setting.upper()}", getattr(graph.settings, setting)
        if variable in graph.deploy.secrets or not _embedded(url):
            continue
        where = f"spec.parameters.sluice.deploy.env.{variable}"
        if several or setting == "database":
            problem = "is embedded in one machine's files, and more than one pod needs it"
            raise DeclarationError(graph.file, where, problem, f"such as {instead}")
        if not graph.deploy.claim:
            problem = "is embedded, and gone with its pod"
            hint = f"such as {instead}; or name a persistent volume claim under deploy.claim"
            raise DeclarationError(graph.file, where, problem, hint)


def _embedded(url: str) -> bool:
    scheme, separator, _ = url.partition("://")
    return not separator or scheme in ("file", "log", "sqlite", "lmdb")


def _one_of(what: str, found: Sequence[str], allowed: Sequence[str]) -> None:
    for name in found:
        if name not in allowed:
            raise DeclarationError(what, "", f"unknown {what} {name!r}", nearest(name, allowed))
    if not found:
        raise DeclarationError(what, "", f"no {what} is named", nearest("", allowed))


def _needed(graph: Graph, part: str, found: Any) -> Any:
    if found is None:
        where = "spec.parameters.sluice.deploy"
        raise DeclarationError(graph.file, where, f"{part} is missing", "docs/deploy.md has it")
    return found


def _line(graph: str, layout: str, address: str) -> list[Function]:
    """The functions that answer HTTP, the first one being the door."""
    if layout == "fused":
        return [Function(graph, "serve")]
    urls = [address.format(name=f"{graph}-{step}") for step in STEPS]
    after = [*urls[1:], ""]
    return [Function(f"{graph}-{s}", s, next=url) for s, url in zip(STEPS, after, strict=True)]


def _stream(graph: Graph, topics: Topics, layout: str) -> list[Function]:
    """The functions that work the requests off; between steps there is a topic."""
    kafka = _needed(graph, "kafka", graph.deploy.kafka)
    if kafka.secret and "SLUICE_STREAM" not in graph.deploy.secrets:
        hint = "kafka://… with sasl.username and sasl.password, as SECRET/KEY"
        where = "spec.parameters.sluice.deploy.secrets.SLUICE_STREAM"
        raise DeclarationError(graph.file, where, "is missing, and the brokers ask for it", hint)
    prefix = f"{graph.name}-stream"
    if layout == "fused":
        return [Function(prefix, "stream", (topics.requests,), topics.group)]
    return [
        Function(f"{prefix}-{stage.step}", stage.step, stage.taken, stage.group, stage.given)
        for stage in stages(topics, STEPS)
    ]


def _functions(
    graph: Graph, http: Sequence[Function], stream: Sequence[Function]
) -> Iterator[tuple[str, Resource]]:
    for function in (*http, *stream):
        yield f"function-{function.name}", nuclio_function(graph, function)
        if graph.deploy.functions[function.role].most > 1:
            yield f"budget-{function.name}", cluster.disruption_budget(graph, function)


def _door(graph: Graph, first: Function) -> dict[str, Resource]:
    door = graph.deploy.ingress
    if door is None:
        return {}
    if not door.canary:
        return {f"gateway-{graph.name}": cluster.api_gateway(graph, door, first.name)}
    name = f"{first.name}-canary"
    canary = nuclio_function(graph, Function(name, first.role, next=first.next))
    canary["spec"]["image"] = door.canary
    return {
        f"function-{name}": canary,
        f"gateway-{graph.name}": cluster.api_gateway(graph, door, first.name, name),
    }


def _kafka(graph: Graph, stream: Sequence[Function], topics: Topics) -> dict[str, Resource]:
    kafka = _needed(graph, "kafka", graph.deploy.kafka)
    resources: dict[str, Resource] = {}
    for function in stream:
        most = graph.deploy.functions[function.role].most
        if most > kafka.partitions:
            where = f"spec.parameters.sluice.deploy.functions.{function.role}.replicas.max"
            problem = f"{most} replicas share {kafka.partitions} partitions: some would idle"
            raise DeclarationError(graph.file, where, problem, "at most kafka.partitions")
        scaled = cluster.scaled_object(graph, function, kafka)
        resources[f"scaling-{function.name}"] = scaled
    if kafka.secret:
        resources[f"scaling-{graph.name}-kafka"] = cluster.trigger_authentication(graph, kafka)
    if kafka.cluster:
        between = [topic for function in stream for topic in function.topics]
        own = (topics.requests, topics.predictions, topics.dead_letters, topics.replayed)
        for topic in dict.fromkeys([*own, *between]):
            resources[f"topic-{topic}"] = cluster.kafka_topic(graph, topic, kafka)
    return resources
