"""A graph on Nuclio by an MLRun API server.

By default the functions are those of `sluice render`, as MLRun's kind nuclio: our handler runs the
graph, and MLRun registers a model endpoint of it as of a model that it does not serve itself. With
the engine mlrun the same graph.yaml is deployed as kind serving, and MLRun's own engine runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sluice.deploy.beside import teachers
from sluice.deploy.declared import STEPS
from sluice.deploy.function import Resource
from sluice.deploy.render import check_stores, read_graph, render
from sluice.deploy.rollout import Say
from sluice.errors import DeclarationError, GateFailed, NotFound, StoreUnavailable
from sluice.features.definitions import read_definitions
from sluice.graph import GraphSpec
from sluice.parameters import Parameters
from sluice.project import FILE, Project

ADDRESS = "http://nuclio-{project}-{{name}}:8080"  # MLRun puts the project's name before


class MlrunDeployment:
    """A graph that an MLRun project deployed. In a `with` block it is deleted at its end.

    Args:
        project, graph: MLRun's project, and ours.
        functions: MLRun's function objects, the door first.
        db: MLRun's client.
    """

    target = "mlrun"

    def __init__(self, project: str, graph: str, functions: list[Any], db: Any) -> None:
        self.name, self._project, self._functions, self._db = graph, project, functions, db

    @property
    def url(self) -> str:
        """The door's address, as MLRun tells it."""
        return str(self._functions[0].spec.command or "")

    def status(self) -> dict[str, Any]:
        """state (ready, not ready), and MLRun's of each function."""
        states = {}
        for function in self._functions:
            self._db.get_nuclio_deploy_status(function)
            states[function.metadata.name] = function.status.state
        ready = all(state == "ready" for state in states.values())
        state = "ready" if ready else "not ready"
        return {"name": self.name, "target": self.target, "state": state, "functions": states}

    def logs(self, follow: bool = False) -> Iterator[str]:
        """What was logged while the functions were deployed; MLRun's API has no others."""
        for function in self._functions:
            text, _ = self._db.get_nuclio_deploy_status(function)
            yield from text.splitlines()

    def stop(self) -> None:
        """Delete the functions."""
        for function in self._functions:
            self._db.delete_function(function.metadata.name, self._project)

    def __enter__(self) -> MlrunDeployment:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def deploy_mlrun(
    project: Project,
    graph: str,
    layout: str = "fused",
    *,
    engine: str = "sluice",
    db: Any = None,
    say: Say = lambda _: None,
) -> MlrunDeployment:
    """Deploy a graph through an MLRun API server.

    Args:
        project, graph, layout: what is deployed; the engine mlrun knows the layout fused only.
        engine: sluice, our handler as kind nuclio; or mlrun, its own as kind serving.
        db: MLRun's client; None: the one that MLRUN_DBPATH names.
        say: told of each function.

    Raises:
        DeclarationError: embedded stores with more than one replica, no server named.
        GateFailed: a function did not come up; Nuclio goes on with the one before.
        StoreUnavailable: the server does not answer.
    """
    functions = make_functions(project, graph, layout, engine)
    db = _server(project) if db is None else db
    for role in teachers(project, graph):
        say(f"{graph}: MLRun runs no `{role}`: sluice render has it for kubectl")
    for function in reversed(functions):  # the last step first: each finds the next one
        function.set_db_connection(db)
        _deploy(function)
        say(f"{graph}: {function.metadata.name} is {function.status.state}")
    return MlrunDeployment(project.name, graph, functions, db)


def find_mlrun(project: Project, graph: str, db: Any = None) -> MlrunDeployment:
    """What a server has of a graph; `db` as above. Raises NotFound, DeclarationError."""
    import mlrun

    db, functions = _server(project) if db is None else db, []
    for name in (graph, *(f"{graph}-{step}" for step in STEPS)):
        try:
            found = db.get_function(name, project.name)
        except mlrun.errors.MLRunNotFoundError:
            continue
        functions.append(mlrun.new_function(runtime=found))
        functions[-1].set_db_connection(db)
    if not functions:
        raise NotFound(f"{graph} is not deployed: sluice deploy {graph} --target mlrun")
    return MlrunDeployment(project.name, graph, functions, db)


def make_functions(project: Project, graph: str, layout: str, engine: str) -> list[Any]:
    """MLRun's function objects, the door first. Raises DeclarationError."""
    if engine == "mlrun":
        if layout != "fused":
            raise DeclarationError("--layout", "", f"the engine mlrun has no layout {layout}")
        return [_serving(project, graph)]
    address = ADDRESS.format(project=project.name)
    resources = render(project, graph, layout=layout, address=address).values()
    found = [r for r in resources if r["kind"] == "NuclioFunction"]
    functions = [
        _nuclio(project, r) for r in found if not r["metadata"]["name"].endswith("-canary")
    ]
    # MLRun tells one function where its events go: the one that answers, the last of several.
    functions[-1].setup_model_monitoring({"name": graph, "input_schema": _fields(project, graph)})
    return functions


def _fields(project: Project, graph: str) -> list[str]:
    """The names of a request's fields, in the order of their declaration."""
    spec = GraphSpec.read(project.graph_file(graph))
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    return list(read_definitions(project.root / parameters.features, project.root).record.names)


def _nuclio(project: Project, resource: Resource) -> Any:
    """Nuclio's configuration goes as it is; what MLRun reads of it stands beside it."""
    import mlrun

    spec, name = resource["spec"], resource["metadata"]["name"]
    function = mlrun.new_function(name, project=project.name, kind="nuclio", image=spec["image"])
    built = {**spec, "build": {"codeEntryType": "image", "image": spec["image"]}}
    about = {"name": name, "labels": resource["metadata"]["labels"]}
    function.spec.base_spec = {**resource, "metadata": about, "spec": built}
    function.spec.base_spec.pop("status", None)
    function.spec.function_handler = spec["handler"]
    function.spec.env = list(spec["env"])
    function.spec.min_replicas, function.spec.max_replicas = (
        spec["minReplicas"],
        spec["maxReplicas"],
    )
    function.spec.resources = spec["resources"]
    for trigger, config in spec["triggers"].items():
        function.spec.config[f"spec.triggers.{trigger}"] = config
    return function


def _serving(project: Project, graph: str) -> Any:
    """The graph.yaml as it is, with the image and the variables that are declared."""
    import mlrun

    from sluice.deploy.function import Function, environment

    declared = read_graph(project, graph)[0]
    size = declared.deploy.functions["serve"]
    check_stores(declared, [Function(graph, "serve")], batch=False)
    function = mlrun.import_function(str(project.graph_file(graph)))
    function.metadata.project = project.name
    function.spec.image = size.image or "sluice-serving"
    function.spec.env = environment(declared, [])
    function.spec.min_replicas, function.spec.max_replicas = size.least, size.most
    return function


def _deploy(function: Any) -> None:
    """Deploy one, and wait until Nuclio has said what became of it."""
    import mlrun
    from mlrun.projects.operations import deploy_function

    name = function.metadata.name
    try:
        deploy_function(function)
    except mlrun.errors.MLRunTimeoutError as error:
        raise GateFailed("deploy", f"function {name}: {error}") from error
    except mlrun.runtimes.utils.RunError as error:
        raise GateFailed("deploy", f"function {name}: {error}; see MLRun's log above") from error
    except (OSError, ValueError, mlrun.db.RunDBError) as error:
        raise StoreUnavailable(f"MLRun's API: function {name}: {error}") from error


def _server(project: Project) -> Any:
    """MLRun's client. Raises DeclarationError without a server."""
    import mlrun
    from mlrun.db.httpdb import HTTPRunDB

    db = mlrun.get_run_db()
    if not isinstance(db, HTTPRunDB):
        hint = "name it in MLRUN_DBPATH; without one, --target nuclio needs a dashboard only"
        raise DeclarationError(project.root / FILE, "", "no MLRun API server is named", hint)
    return db
