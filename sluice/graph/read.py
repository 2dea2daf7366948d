"""Reads a graph's declaration: strictly from files, tolerantly from what MLRun hands over."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from sluice.declaration import Section
from sluice.errors import nearest
from sluice.graph import refused
from sluice.graph.flow import Flow
from sluice.graph.secrets import SecretSource
from sluice.graph.spec import LOAD_MODES, GraphSpec, StepSpec
from sluice.refusals import each

# Fields of a function that say how it is deployed; the graph does not look at them.
_DEPLOYMENT = frozenset({
    "add_templated_ingress_host_mode", "affinity", "args", "auth", "base_image_pull",
    "base_spec", "build", "command", "config", "custom_scaling_metric_specs",
    "default_handler", "description", "disable_auto_mount", "disable_default_http_trigger",
    "entry_points", "env", "env_from", "function_handler", "function_kind", "image",
    "image_pull_policy", "image_pull_secret", "max_replicas", "min_replicas", "mode",
    "model_endpoints_instructions", "mount_otlp_secret", "no_cache", "node_name",
    "node_selector", "nuclio_runtime", "preemption_mode", "priority_class_name", "pythonpath",
    "readiness_timeout", "readiness_timeout_before_failure", "replicas", "resources",
    "security_context", "service_account", "service_type", "source", "state_thresholds",
    "tolerations", "volume_mounts", "volumes", "workdir",
})  # fmt: skip
_METADATA = frozenset({
    "annotations", "categories", "credentials", "hash", "labels", "namespace", "tag", "uid",
    "updated",
})  # fmt: skip
# Fields that MLRun adds of its own accord when it hands a graph over or writes one down.
_HANDED_OVER = frozenset({
    "filename", "function_hash", "function_tag", "functions",
    "model_endpoint_creation_task_name",
})  # fmt: skip
# MLRun's own monitoring is asked for by the cluster, not by who wrote the graph.
_HARMLESS = frozenset({"track_models"})
_DRAWING = frozenset({"base_step", "comment", "shape"})
_BOOKKEEPING = frozenset({"model_endpoints_names", "model_endpoints_routes_names"})


class Reader:
    """How strictly to read, and what was noticed on the way."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.notices: list[str] = []

    def notice(self, section: Section, field: str, problem: str, hint: str = "") -> None:
        """An error where people write; a notice where MLRun hands over."""
        error = section.error(field, problem, hint)
        if self.strict:
            raise error
        self.notices.append(str(error))

    def supported(
        self, section: Section, refusals: Mapping[str, str], ignored: frozenset[str] = frozenset()
    ) -> Section:
        """The section without what does not concern the graph.

        Raises DeclarationError for a field that asks for what ours does not do; an empty one asks
        for nothing.
        """
        data = section.rest()
        for field in [f for f in data if f in refusals and data[f]]:
            problem, instead = f"{field} is not supported", refusals[field]
            if field not in _HARMLESS:
                raise section.error(field, problem, instead)
            self.notice(section, field, problem, instead)
        left = {k: v for k, v in data.items() if k not in refusals and k not in ignored}
        return Section(left, section.file, section.where)

    def done(self, section: Section) -> None:
        """The fields that nobody took: an error where people write, else a notice."""
        if self.strict:
            section.done()
        for field, value in section.rest().items():
            if value:
                self.notice(section, str(field), "unknown field, it does nothing")


def read_function(top: Section, reader: Reader) -> GraphSpec:
    """A graph from an MLRun function: kind, metadata, spec. Raises DeclarationError."""
    kind = top.take("kind", str, "serving")
    if kind != "serving":
        raise top.error("kind", f"expected serving, found {kind!r}")
    metadata = reader.supported(top.section("metadata", {}), {}, _METADATA)
    spec = reader.supported(top.section("spec"), refused.FUNCTION_FIELDS, _DEPLOYMENT)
    top.take("status", object, None)
    fields = _common(spec, reader)
    fields["verbose"] = top.take("verbose", bool, False)
    fields["name"] = metadata.take("name", str)
    fields["project"] = metadata.take("project", str, "")
    for section in (metadata, spec, top):
        reader.done(section)
    return GraphSpec(**fields, file=str(top.file), notices=tuple(reader.notices))


def read_handed_over(top: Section, reader: Reader) -> GraphSpec:
    """A graph from the specification that MLRun hands over. Raises DeclarationError."""
    top = reader.supported(top, refused.FUNCTION_FIELDS, _HANDED_OVER)
    version = top.take("version", str, "v2")
    if version != "v2":
        raise top.error("version", f"unknown version {version!r}", "v2 is what ours reads")
    fields = _common(top, reader)
    fields["verbose"] = top.take("verbose", bool, False)
    project, _, function = top.take("function_uri", str, "").rpartition("/")
    fields["name"] = top.take("function_name", str, function.split(":")[0])
    fields["project"] = top.take("project", str, project)
    reader.done(top)
    return GraphSpec(**fields, file=str(top.file), notices=tuple(reader.notices))


def _common(spec: Section, reader: Reader) -> dict[str, Any]:
    """The fields that a function's spec and a handed over specification share."""
    optional = {
        "graph_initializer": spec.take("graph_initializer", str, None),
        "error_stream": spec.take("error_stream", str, None),
        "default_content_type": spec.take("default_content_type", str, None),
    }
    _refuse_expression(spec, "graph_initializer", optional["graph_initializer"])
    return {
        **optional,
        **_graph(spec.section("graph"), reader),
        "parameters": spec.take("parameters", Mapping, {}),
        "load_mode": spec.choose("load_mode", LOAD_MODES, "sync"),
        "secret_sources": _secrets(spec),
    }


def _secrets(spec: Section) -> tuple[SecretSource, ...]:
    sources = spec.take("secret_sources", list, [])
    where = f"{spec.where}.secret_sources" if spec.where else "secret_sources"
    return tuple(
        SecretSource.read(Section(source, spec.file, f"{where}[{i}]"))
        for i, source in enumerate(sources)
    )


def _graph(graph: Section, reader: Reader) -> dict[str, Any]:
    kind = graph.take("kind", str, "root")
    if kind in refused.STEP_KINDS and kind != "flow":
        raise graph.error("kind", f"{kind} is not supported", refused.STEP_KINDS[kind])
    if kind != "root":
        raise graph.error("kind", f"unknown value {kind!r}", "MLRun too wants none here, or root")
    graph = reader.supported(graph, refused.GRAPH_FIELDS, _BOOKKEEPING)
    graph.choose("engine", ("sync", "async"), "sync")
    on_error = graph.take("on_error", str, None)
    steps = each(partial(_step, reader), _sections(graph))
    reader.done(graph)
    flow = Flow(steps, on_error, graph)
    return {"steps": flow.main, "rescues": flow.rescues, "on_error": on_error}


def _sections(graph: Section) -> dict[str, Section]:
    steps = graph.sections("steps")
    if not steps:
        raise graph.error("steps", "there are no steps", "name at least one")
    return steps


def _step(reader: Reader, name: str, step: Section) -> StepSpec:
    kind = step.take("kind", str, "task")
    if kind in refused.STEP_KINDS:
        raise step.error("kind", f"{kind} is not supported", refused.STEP_KINDS[kind])
    if kind not in ("task", "error_step"):
        raise step.error("kind", f"unknown value {kind!r}", nearest(kind, ("task", "error_step")))
    _function(step, reader)
    step = reader.supported(step, refused.STEP_FIELDS, _DRAWING)
    spec = StepSpec(
        name=name,
        where=step.where,
        kind=kind,
        **_what(step),
        after=_names(step, "after"),
        before=_names(step, "before") if kind == "error_step" else (),
        on_error=step.take("on_error", str, None),
        responder=step.take("responder", bool, False),
        full_event=step.take("full_event", bool, None),
        input_path=step.take("input_path", str, None),
        result_path=step.take("result_path", str, None),
        creation_strategy=step.take("model_endpoint_creation_strategy", str, "skip"),
        endpoint_type=step.take("endpoint_type", int, 1),
    )
    reader.done(step)
    return spec


def _names(step: Section, field: str) -> tuple[str, ...]:
    names = step.take(field, (list, str), [])
    return tuple(str(name) for name in ([names] if isinstance(names, str) else names) if name)


def _function(step: Section, reader: Reader) -> None:
    """`function` is never written in a file; a handed over step runs here, and that is said."""
    function = None if reader.strict else step.take("function", str, None)
    if function and function != "*":
        problem = f"runs here, not in the function {function!r} (where MLRun would skip it)"
        reader.notice(step, "function", problem)


def _what(step: Section) -> dict[str, Any]:
    """What a step runs: a class with its arguments, or a function."""
    class_name = step.take("class_name", str, None)
    handler = step.take("handler", str, None)
    class_args = step.take("class_args", Mapping, {})
    if not class_name and not handler:
        raise step.error("class_name", "is missing", "name a class, or a function as handler")
    for prefix, instead in refused.CLASS_NAMES.items():
        if class_name and class_name.startswith(prefix):
            raise step.error("class_name", f"{class_name} is not supported", instead)
    for field, value in (("class_name", class_name), ("handler", handler)):
        _refuse_expression(step, field, value)
    for arg in class_args:
        if str(arg).startswith("_"):
            raise step.error(f"class_args.{arg}", f"{arg} is not supported", refused.EXPRESSION)
    return {"class_name": class_name, "handler": handler, "class_args": class_args}


def _refuse_expression(section: Section, field: str, value: str | None) -> None:
    if value and value.strip().startswith("("):
        raise section.error(field, f"{value!r} is not supported", refused.EXPRESSION)
