"""sluice serve GRAPH: a graph over HTTP, on the local host of Nuclio handlers."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from sluice.access.open import LOOPBACK, is_guarded
from sluice.commands.host import add_options, apply_environment, host_options, log_unused
from sluice.declaration import Section, read_yaml
from sluice.errors import NotFound, VersionRefused
from sluice.host import serve as run
from sluice.host.die_with import die_with
from sluice.host.function_yaml import FunctionFile
from sluice.models.model import preload as preload_format
from sluice.project import FILE, Project
from sluice.service import read_spec
from sluice.settings import Settings, export, variables
from sluice.stores import model_store
from sluice.workflow import has_champion

log = logging.getLogger("sluice")
FUNCTIONS = "functions"
HANDLER = f"{FUNCTIONS}.serve.function:handler"
FUNCTION = "functions/serve/function.yaml"
_PATIENCE_S = 10.0  # with a monitor that is told to end

# Requests that are there at the same moment go through the graph together; none waits for others.
_TOGETHER = {"batch_size": 64, "batch_timeout_s": 0.0}

# Options of the host that are settings of the project too, with the setting's name.
_SETTINGS = {
    "host": "host", "port": "port", "workers": "workers", "max_body_bytes": "max_body",
    "event_timeout_s": "timeout",
}  # fmt: skip


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "answer a graph's requests over HTTP"
    parser = groups.add_parser("serve", help=text, description=text)
    parser.add_argument("graph", help="the graph's name")
    text = "count its events beside it, for /dashboard; ends with it"
    parser.add_argument("--monitor", action="store_true", help=text)
    add_options(parser)
    parser.set_defaults(command=serve)


def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    project = Project.find()
    project.graph_file(options.graph)
    path = project.root / FUNCTION
    file = FunctionFile.read(path) if path.is_file() else FunctionFile("serve")
    settings = dataclasses.replace(read_settings(project, file, variables()), graph=options.graph)
    project = dataclasses.replace(project, settings=settings)
    if not has_champion(project, options.graph):
        hint = f"train one: sluice run main --graph {options.graph}"
        raise NotFound(f"{options.graph} has no champion yet: {hint}")
    apply_environment(file)
    export(settings, project.root)
    os.chdir(project.root)
    known = _TOGETHER | file.options | {o: getattr(settings, s) for o, s in _SETTINGS.items()}
    settled = host_options(known, options, project.root)
    log_unused(file, settled)
    warn_unguarded(settings, settled.host)
    with monitored(options.graph if options.monitor else ""):
        run(HANDLER, options=settled, preload=partial(preload, project, options.graph))


def read_settings(project: Project, file: FunctionFile, environ: Mapping[str, str]) -> Settings:
    """The project's settings, with what its function.yaml says below them.

    From weak to strong: defaults, the function.yaml's triggers and times, project.yaml, the
    function.yaml's spec.env (as on a cluster), the environment.
    """
    place = project.root / FILE
    spec = Section(read_yaml(place), place).section("spec")
    params = spec.take("params", Mapping, {}).get("sluice") or {}
    base = {s: file.options[o] for o, s in _SETTINGS.items() if o in file.options}
    return Settings.load(base | dict(params), file.env | dict(environ), place)


def warn_unguarded(settings: Settings, host: str) -> None:
    """Warn where others than this machine can ask, and nobody has to say who he is."""
    if host not in LOOPBACK and not is_guarded(settings):
        text = "everybody who reaches %s may ask: no API keys, no tokens; docs/security.md"
        log.warning(text, host)


@contextmanager
def monitored(graph: str) -> Iterator[None]:
    """A monitor of a graph while the block lasts, in a process of its own that gives way to the
    workers; none for no graph. Another monitor of it shares the work: nothing counts twice."""
    if not graph:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "sluice.cli", "monitor", graph],
        stdout=subprocess.DEVNULL,
        preexec_fn=partial(_beside, os.getpid()),  # noqa: PLW1509 (no thread runs yet)
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _beside(parent: int) -> None:
    """In the new process: end with the server, however that ends, and let the workers go first."""
    die_with(parent, signal.SIGTERM)
    os.nice(10)


def preload(project: Project, graph: str) -> None:
    """Import what every worker needs, once, so that they share its pages.

    Only what is known to begin no thread and open no file: a step of somebody's own, and what a
    version refuses, is the worker's to meet.
    """
    importlib.import_module(HANDLER.partition(":")[0])
    for step in read_spec(project, graph).steps:
        module = (step.class_name or "").rpartition(".")[0]
        if module.startswith(f"{FUNCTIONS}."):
            importlib.import_module(module)
    if "://" not in project.settings.features:
        importlib.import_module("sluice.features.embedded")
    models = model_store(project)
    for alias in models.aliases(graph).values():
        with suppress(VersionRefused, NotFound):
            preload_format(models.manifest(graph, alias.version))
