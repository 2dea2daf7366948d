"""The places in which a graph of a project keeps something of its requests."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager

from sluice.address import load, shown
from sluice.errors import DeclarationError
from sluice.features.open import open_own
from sluice.forget.place import Place
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec
from sluice.stores import events_url
from sluice.streaming.open import stream_url
from sluice.streaming.topics import Topics
from sluice.streams import is_log, log_path
from sluice.windows.open import folder
from sluice.windows.state import state_file


@contextmanager
def opened(
    project: Project, graph: str, fields: Collection[str] = ()
) -> Iterator[tuple[list[Place], list[str]]]:
    """The places of a graph, closed with the block, and those that nobody can take records out of:
    of other feature stores those whose keys are among these fields.

    Raises DeclarationError, StoreUnavailable.
    """
    with ExitStack() as stack:
        places: list[Place] = []
        fixed = []
        for url in dict.fromkeys((stream_url(project), events_url(project))):
            if is_log(url) or url.startswith("kafka://"):
                places += _topics(project, graph, url)
            else:
                fixed.append(shown(url))
        places += [*_database(project, graph), *_features(project, graph, fields, fixed)]
        places += _answers(project, graph)
        for place in places:
            stack.callback(place.close)
        yield places, fixed


def _topics(project: Project, graph: str, url: str) -> Iterator[Place]:
    if is_log(url) and not log_path(url).exists():
        return
    spec = read_spec(project, graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    topics = Topics.of(project.name, graph, parameters.stream)
    named = {topics.requests, topics.predictions, topics.dead_letters, topics.replayed}
    if spec.error_stream:
        named.add(f"{project.name}.{spec.error_stream}")
    prefix, asked = f"{project.name}.{graph}.", frozenset((topics.requests, topics.dead_letters))

    def wanted(topic: str) -> bool:
        return topic.startswith(prefix) or topic in named

    if is_log(url):
        from sluice.forget.topics import LogTopics

        yield LogTopics(log_path(url), wanted, asked)
    else:
        kafka = load("stream", "kafka", "sluice.forget.kafka", "confluent-kafka")
        yield kafka.KafkaTopics(url, wanted, asked, time)


def _database(project: Project, graph: str) -> Iterator[Place]:
    url = project.settings.database
    default = project.root / project.settings.state / "batch.db"
    if not url and not default.exists():
        return
    try:
        from sluice.batch.database import open_database
        from sluice.forget.tables import BatchTables
    except ModuleNotFoundError as error:
        problem, hint = f"{error.name} is not installed", "pip install 'sluice[batch]'"
        raise DeclarationError("settings", "database", problem, hint) from None
    yield BatchTables(open_database(project, graph))


def _features(
    project: Project, graph: str, fields: Collection[str], fixed: list[str]
) -> Iterator[Place]:
    from sluice.forget.features import FeatureRows

    definitions, store = open_own(project, graph)
    for entity in definitions.entities.values():
        if entity.online and entity.keyed_by(fields):
            fixed.append(f"{entity.online} (entity {entity.name})")
    url = project.path(project.settings.features, "features")
    yield FeatureRows(definitions, store, shown(url) if "://" in url else url)


def _answers(project: Project, graph: str) -> Iterator[Place]:
    from sluice.forget.answers import Answers

    file = state_file(folder(project), graph)
    if file.exists():
        yield Answers(file)
