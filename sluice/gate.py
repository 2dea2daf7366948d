"""The parity gate: a version may become champion when serving gives what training saw.

The rows that the version carries (replay.json) go through the graph as requests would, with the
online store as it is here. Every column that the version uses and every value of every tensor
must be what training had, to the bit; every score within 1e-6 on a probability and, for a
regression, 1e-6 times the largest of its scores (the rule of models/convert.py). What another
store keeps (features/online.py) has no history, so there the row's own values are looked up.
"""

from __future__ import annotations

import math
from typing import Any

from tqdm import tqdm

from sluice.application import Application
from sluice.errors import GateFailed, RecordError, VersionRefused, nearest
from sluice.features.definitions import Definitions
from sluice.features.online import Recorded
from sluice.features.store import OnlineStore
from sluice.live import CHAMPION, Version, bind, load_version
from sluice.message import Message
from sluice.models.golden import Golden
from sluice.models.manifest import Stored
from sluice.models.store import ModelStore
from sluice.project import Project
from sluice.replay import GOLDEN_FILE, REPLAY_FILE, Replay, ReplayRow
from sluice.service import Service

TOLERANCE = 1e-6
_SHOWN = 5


class Gate:
    """Replays a version's rows through a project's graph. Nothing here moves an alias.

    Args:
        project, graph: what is served.
        models, definitions, features: its parts, as serving has them.
    """

    def __init__(
        self,
        project: Project,
        graph: str,
        models: ModelStore,
        definitions: Definitions,
        features: OnlineStore,
    ) -> None:
        self._project, self._graph, self._models = project, graph, models
        self._definitions, self._features = definitions, features

    @classmethod
    def of(cls, project: Project, application: Application) -> Gate:
        """The gate with an application's own parts."""
        parts = (application.models, application.definitions, application.features)
        return cls(project, application.graph, *parts)

    def check(self, number: str, progress: bool = False) -> dict[str, Any]:
        """Replay a version. Returns the evidence: rows, values compared, the largest difference.

        Raises GateFailed naming the columns that differ, VersionRefused, NotFound.
        """
        stored = self._models.read(self._graph, number)
        replay, golden = self._read(number, stored.files)
        version = load_version(stored, self._definitions)
        recorded = Recorded(self._features, self._definitions)
        service = self._service(version, recorded)
        rows = tqdm(replay.rows, "parity gate", disable=not progress, unit="row")
        tolerance = _tolerance(version, replay)
        compared = _Comparison(version, tolerance)
        for row in rows:
            recorded.values = row.values
            compared.add(row, self._run(service, row.record, row.as_of))
        answers = []
        for case in golden.cases:
            recorded.values = next((r.values for r in replay.rows if r.record == case.record), {})
            answers.append(_scores(self._run(service, case.record, case.event_time)))
        wrong = golden.compare(answers, tolerance)
        if compared.problems or wrong:
            shown = "; ".join([*compared.problems, *wrong][:_SHOWN])
            why = f"version {number} is not served what it was trained on: {shown}"
            raise GateFailed("parity", why, compared.evidence())
        return {**compared.evidence(), "golden": len(answers)}

    def ask(self, stored: Stored, records: list[dict[str, Any]], when: float) -> list[Message]:
        """What serving makes of records with a version that is in no store yet: each alone, and
        all of them together, last.

        Raises VersionRefused, and GateFailed for a record that is refused.
        """
        service = self._service(load_version(stored, self._definitions), self._features)
        alone = [self._run(service, record, when) for record in records]
        together = Message(list(records), when=when)
        together.pin = CHAMPION
        service.run(together)
        return [*alone, together]

    def _read(self, number: str, files: dict[str, bytes]) -> tuple[Replay, Golden]:
        for name in (REPLAY_FILE, GOLDEN_FILE):
            if name not in files:
                hint = nearest(name, files)
                raise VersionRefused(self._graph, number, name, "is not in the version", hint)
        name = REPLAY_FILE
        try:
            replay = Replay.load(files[name])
            name = GOLDEN_FILE
            golden = Golden.load(files[name])
        except ValueError as error:
            raise VersionRefused(self._graph, number, name, str(error)) from None
        for name, found in ((REPLAY_FILE, replay.rows), (GOLDEN_FILE, golden.cases)):
            if not found:
                raise GateFailed("parity", f"version {number}: {name} has no rows to replay")
        return replay, golden

    def _service(self, version: Version, features: OnlineStore) -> Service:
        aliases = {CHAMPION: version.number}
        versions = {version.number: version}
        parts = (self._graph, self._definitions, features)
        live = bind(*parts, versions, aliases=aliases)
        application = Application(self._graph, self._definitions, self._models, features, live=live)
        return Service.open(self._project, self._graph, application=application)

    def _run(self, service: Service, record: dict[str, Any], when: float | None) -> Message:
        message = Message([record], when=when)
        message.single = True
        message.pin = CHAMPION
        try:
            service.run(message)
        except RecordError as error:
            why = f"a record is refused by serving: {error}"
            raise GateFailed("parity", why, record) from error
        return message


class _Comparison:
    """What was compared, and what differed: by column, how often, and the first case."""

    def __init__(self, version: Version, tolerance: float) -> None:
        self._version, self._tolerance = version, tolerance
        self._rows = self._values = 0
        self._largest = 0.0
        self._differ: dict[str, tuple[int, str]] = {}

    @property
    def problems(self) -> list[str]:
        """A line per column that differed."""
        return [f"{n}: {times} rows, first {first}" for n, (times, first) in self._differ.items()]

    def evidence(self) -> dict[str, Any]:
        """What was seen, JSON-able."""
        counted = {"rows": self._rows, "values": self._values}
        differ = {n: times for n, (times, _) in self._differ.items()}
        return {**counted, "largest_score_difference": self._largest, "differ": differ}

    def add(self, row: ReplayRow, message: Message) -> None:
        """Compare one row with what serving made of it."""
        self._rows += 1
        served = dict(zip(message.columns, message.values[0], strict=True))
        for name, trained in row.values.items():
            self._compare(name, trained, served.get(name))
        tensors = message.tensors[self._version.digest]
        for name in {**row.tensors, **tensors}:
            found = tensors[name][:1].ravel().tolist() if name in tensors else []
            self._tensor(name, row.tensors.get(name, []), found)
        scores = message.scores[0].tolist()
        if self._same_length("score", row.scores, scores):
            for old, new in zip(row.scores, scores, strict=True):
                self._score(old, new)

    def _tensor(self, name: str, trained: list[Any], served: list[Any]) -> None:
        if not self._same_length(f"transformed {name}", trained, served):
            return
        outputs = self._version.transform.get_feature_names_out().tolist()
        names = outputs if len(outputs) == len(trained) else [name] * len(trained)
        for column, old, new in zip(names, trained, served, strict=True):
            self._compare(f"transformed {column}", old, new)

    def _score(self, trained: float | str, served: float | str) -> None:
        if isinstance(trained, str) or isinstance(served, str):
            return self._compare("score", trained, served)
        difference = abs(trained - served)
        self._largest = max(self._largest, difference)
        if not difference <= self._tolerance:
            self._note("score", trained, served)
        return None

    def _same_length(self, name: str, trained: list[Any], served: list[Any]) -> bool:
        if len(trained) != len(served):
            self._note(name, f"{len(trained)} values", f"{len(served)} values")
        return len(trained) == len(served)

    def _compare(self, name: str, trained: Any, served: Any) -> None:
        self._values += 1
        served = None if _is_none(served) else served
        if trained != served:
            self._note(name, trained, served)

    def _note(self, name: str, trained: Any, served: Any) -> None:
        times, first = self._differ.get(name, (0, f"trained on {trained!r}, served {served!r}"))
        self._differ[name] = (times + 1, first)


def _tolerance(version: Version, replay: Replay) -> float:
    if version.manifest.task == "classification":
        return TOLERANCE
    numbers = [abs(s) for row in replay.rows for s in row.scores if not isinstance(s, str)]
    return TOLERANCE * max([1.0, *numbers])


def _scores(message: Message) -> list[float | str]:
    return [s if isinstance(s, str) else float(s) for s in message.scores[0]]


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
