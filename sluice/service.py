"""A graph in this process: the same answers as over HTTP, with no server.

import sluice
service = sluice.load("flight-delay")
service.predict([{"carrier": "UA", …}])
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sluice.application import Application
from sluice.errors import DeclarationError, SluiceError
from sluice.frame import records_of
from sluice.graph import Context, Graph, GraphSpec
from sluice.graph.topic import ErrorTopic
from sluice.message import Message
from sluice.parameters import Parameters
from sluice.parts import join
from sluice.project import Project
from sluice.settings import variables
from sluice.stores import event_stream


class Service:
    """A loaded graph with its application; `steps` are all that it declares."""

    def __init__(self, graph: Graph, application: Application) -> None:
        self.graph = graph
        self.steps = graph.spec.steps
        self.application = application
        self.name = application.graph

    @classmethod
    def open(
        cls,
        project: Project,
        graph: str = "",
        *,
        application: Application | None = None,
        nuclio: Any = None,
    ) -> Service:
        """The service of a project's graph.

        Args:
            project: where its parts are.
            graph: its name; empty: what the settings or MLRun's specification name.
            application: the graph's parts, opened by its parameters when not given.
            nuclio: the host's context, for its logger and worker id.

        Raises DeclarationError, VersionRefused, NotFound (no champion yet).
        """
        spec = read_spec(project, graph or project.settings.graph)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        if parameters.graph != spec.name and not project.settings.serving_spec:
            problem = f"{parameters.graph!r} is not metadata.name, {spec.name!r}"
            raise DeclarationError(spec.file, "spec.parameters.sluice.graph", problem)
        worker = str(getattr(nuclio, "worker_id", ""))
        application = application or Application.open(project, parameters, worker)
        context = make_context(project, spec, nuclio)
        context.application = application
        return cls(Graph(spec, context=context, root=project.root), application)

    def run(self, message: Message) -> dict[str, Any]:
        """The reply to a message. Raises RequestError for what the caller got wrong."""
        reply: dict[str, Any] = self.graph.run(message)
        return reply

    def run_many(self, messages: Sequence[Message]) -> list[dict[str, Any] | SluiceError]:
        """The reply to each message, all in one go, where `graph.many`.

        A message that is a single record and breaks the schema has a RecordError in its place.
        What else goes wrong is raised, and then none of them is answered.
        """
        replies: list[dict[str, Any] | SluiceError] = self.graph.run_many(join(messages))
        return replies

    def predict(self, records: Any, *, version: str | None = None) -> Any:
        """The outputs for a list of records, or the output for one record.

        Args:
            records: a record (dict) or a list of them; a pandas DataFrame is taken by its rows.
            version: an alias or number, past the router.

        Raises:
            RecordError: for one record that breaks the schema; in a list such a record has an
                `error` in its place.
        """
        if hasattr(records, "columns"):  # a table; a single row of one is no record
            records = records_of(records)
        message = Message(records if isinstance(records, list) else [records])
        message.single = not isinstance(records, list)
        message.pin = version
        telemetry = self.application.telemetry
        reply = telemetry.tracer.called(self.run, message) if telemetry else self.run(message)
        outputs = reply["outputs"]
        return outputs[0] if message.single else outputs

    def close(self) -> None:
        """Flush the monitoring events and close the stores."""
        self.application.close()

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_context(project: Project, spec: GraphSpec, nuclio: Any = None) -> Context:
    """What a graph's steps get: its secrets come from the environment, its error_stream is a topic.

    The topic lies in the stream of the monitoring events, after the project's name.
    """

    def open_topic(path: str) -> ErrorTopic:
        return ErrorTopic(event_stream(project).producer(), f"{project.name}.{path}")

    secrets = variables()
    return Context(spec, nuclio=nuclio, environ=secrets, open_stream=open_topic, root=project.root)


def read_spec(project: Project, graph: str) -> GraphSpec:
    """A graph's declaration: as MLRun handed it over, else its graph.yaml."""
    if project.settings.serving_spec:
        spec = GraphSpec.handed_over(project.settings.serving_spec)
        # A command that names another graph means that one.
        if not graph or graph == spec.parameters.get("sluice", {}).get("graph"):
            return spec
    if not graph and len(project.graphs) == 1:
        graph = next(iter(project.graphs))
    return GraphSpec.read(project.graph_file(graph))


def load(graph: str, project: Path | str | None = None) -> Service:
    """The service of a graph by its name, from the project here or in a folder.

    Raises DeclarationError when there is no such project or graph, NotFound when it has no
    champion yet, VersionRefused when the champion is damaged.
    """
    return Service.open(Project.find(project), graph)
