"""Versions are made and tried aside; once all of them are right, the project's store gets them."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from tqdm import tqdm

from sluice.models.manifest import Draft, Manifest
from sluice.models.store import ModelStore
from sluice.project import Project

log = logging.getLogger(__name__)


class Checked(NamedTuple):
    """A version in the store aside: its model and number, the aliases it is to have, and why."""

    model: str
    number: str
    aliases: Sequence[str]
    evidence: Mapping[str, Any]


@contextmanager
def aside(project: Project) -> Iterator[Project]:
    """The project as it is now, with a store of models and a trail that go with the block."""
    with TemporaryDirectory(prefix="sluice-import-", ignore_cleanup_errors=True) as folder:
        own = replace(project.settings, state=folder, models="", audit="", monitoring=False)
        yield replace(Project.read(project.root), settings=own)


def move_in(
    graph: str, checked: Sequence[Checked], staged: ModelStore, models: ModelStore
) -> dict[str, str]:
    """Log the versions in the project's store, and name them; their numbers there, by model.

    A version that is there already, left by an import that failed here, is not logged again. The
    log says what stays where this one fails.
    """
    numbers: dict[str, str] = {}
    try:
        for one in tqdm(checked, "store", unit="model", disable=None):
            numbers[one.model] = _logged(graph, one.number, staged, models, numbers.values())
        for one in checked:
            for alias in one.aliases:
                models.promote(graph, numbers[one.model], alias, one.evidence, "import")
    except BaseException:
        if numbers:
            left = ", ".join(f"{number} ({model})" for model, number in numbers.items())
            hint = "no graph asks them; the same import again goes on with them"
            log.error("left in the model store: versions of %s: %s; %s", graph, left, hint)
        raise
    return numbers


def _logged(
    graph: str, number: str, staged: ModelStore, models: ModelStore, taken: Collection[str]
) -> str:
    stored = staged.read(graph, number)
    wanted = _content(stored.manifest)
    for there in models.versions(graph):
        if there not in taken and _content(models.manifest(graph, there)) == wanted:
            return there
    draft = Draft(**{n: getattr(stored.manifest, n) for n in Draft.__struct_fields__})
    return models.log(graph, draft, stored.files)


def _content(manifest: Manifest) -> Manifest:
    """All that tells a version, without when it was stored and as what."""
    return msgspec.structs.replace(manifest, format=0, version="", created="")
