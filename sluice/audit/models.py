"""A model store whose versions and moves of aliases are lines of the audit trail."""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import msgspec

from sluice.audit.line import Entry, Line
from sluice.audit.trail import Trail
from sluice.errors import SluiceError, VersionRefused
from sluice.models.aliases import Alias, Move
from sluice.models.manifest import Draft, Files, Manifest, Stored
from sluice.models.store import ModelStore

log = logging.getLogger("sluice.audit")


class AuditedModels:
    """A ModelStore that is another one, and says in a trail what changes there.

    Lines are made of what the store remembers by itself, and the trail catches up with it: a
    process that is killed between a move and its line leaves the line to the next one. A trail
    that can't be written holds up no rollback; the log says so, each time.
    """

    def __init__(self, models: ModelStore, trail: Trail) -> None:
        self._models, self._trail = models, trail

    def versions(self, graph: str) -> list[str]:
        return self._models.versions(graph)

    def log(self, graph: str, draft: Draft, files: Files) -> str:
        version = self._models.log(graph, draft, files)
        self.catch_up(graph)
        return version

    def manifest(self, graph: str, version: str) -> Manifest:
        return self._models.manifest(graph, version)

    def read(self, graph: str, version: str) -> Stored:
        return self._models.read(graph, version)

    def aliases(self, graph: str) -> dict[str, Alias]:
        return self._models.aliases(graph)

    def aliases_token(self, graph: str) -> Hashable:
        return self._models.aliases_token(graph)

    def promote(
        self, graph: str, version: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        moved = self._models.promote(graph, version, alias, evidence, by)
        self.catch_up(graph)
        return moved

    def rollback(
        self, graph: str, alias: str = "champion", evidence: Any = None, by: str = ""
    ) -> Alias:
        moved = self._models.rollback(graph, alias, evidence, by)
        self.catch_up(graph)
        return moved

    def history(self, graph: str) -> list[Move]:
        return self._models.history(graph)

    def document(self, graph: str, name: str) -> tuple[bytes | None, Hashable]:
        return self._models.document(graph, name)

    def document_tag(self, graph: str, name: str) -> Hashable:
        return self._models.document_tag(graph, name)

    def replace(self, graph: str, name: str, tag: Hashable, data: bytes) -> bool:
        return self._models.replace(graph, name, tag, data)

    def catch_up(self, graph: str) -> None:
        """Add the lines that are missing; what fails is logged, and tried again the next time."""

        def missing(lines: Iterable[Line]) -> Iterator[Entry]:
            return self._missing(graph, lines)

        try:
            self._trail.extend(missing)
        except (SluiceError, OSError) as error:
            log.error("%s: the audit trail has no line of what was done: %s", graph, error)

    def _missing(self, graph: str, lines: Iterable[Line]) -> Iterator[Entry]:
        versions, moves = set(), set()
        for line in lines:
            if line.subject.get("graph") == graph:
                if line.action == "train":
                    versions.add(line.subject.get("version"))
                moves.add(line.subject.get("move"))
        for version in self._models.versions(graph):
            if version not in versions:
                yield self._trained(graph, version)
        for move in self._models.history(graph):
            if move.number not in moves:
                yield _moved(graph, move)

    def _trained(self, graph: str, version: str) -> Entry:
        subject = {"graph": graph, "version": version}
        try:
            manifest = self._models.manifest(graph, version)
        except VersionRefused as error:
            return Entry(action="train", subject=subject, evidence={"refused": str(error)})
        evidence = {
            "created": manifest.created,
            "training": manifest.training,
            "metrics": manifest.metrics,
            "files": {name: file.sha256 for name, file in manifest.files.items()},
        }
        return Entry(action="train", subject=subject, evidence=evidence)


def _moved(graph: str, move: Move) -> Entry:
    subject = {
        "graph": graph, "alias": move.alias, "version": move.version, "move": move.number,
    }  # fmt: skip
    evidence = {
        "previous": move.previous, "at": move.at, "evidence": msgspec.to_builtins(move.evidence),
    }  # fmt: skip
    return Entry(action=move.action, subject=subject, evidence=evidence, actor=move.by)
