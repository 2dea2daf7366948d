"""What a version was made of: its data, table by table, and the project's code."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from sluice.features.definitions import Definitions
from sluice.project import files_of
from sluice.schema import Column
from sluice.training.dataset import Dataset
from sluice.training.training import Training

_CODE = {".py", ".yaml", ".yml"}
_GIT_S = 10.0  # that git may take; without an answer there is no commit


def data_of(data: Dataset, definitions: Definitions, training: Training) -> dict[str, Any]:
    """By table of what a version was trained on: where it is from, and a digest of its columns.

    The requests' has their fields and labels, an entity's its features as they were joined; an
    entity that is called `requests` itself is `entities.requests`. The digest is SHA-256 of names
    and values in as-of order: the same data give the same one.
    """
    requests = training.requests
    source = f"{requests.__module__}.{requests.__qualname__}"
    fields = {name: data.table[name] for name in definitions.record.names}
    labelled = {**fields, training.label: data.labels}
    told = {"requests": {"source": source, "rows": len(data), "sha256": _digest(labelled)}}
    for entity, declared in definitions.entities.items():
        columns = {feature.name: data.table[feature.name] for feature in declared.features}
        name = f"entities.{entity}" if entity in told else entity
        told[name] = {"source": declared.source, "sha256": _digest(columns)}
    return told


def code_of(root: Path) -> dict[str, Any]:
    """The project's code: git's commit, whether files differ from it, and a digest of all of it.

    Without git, or outside a repository, there is no commit.
    """
    digest = sha256()
    for place in files_of(root, _CODE):
        digest.update(f"\0{place}\0".encode() + (root / place).read_bytes())
    commit = _git(root, "rev-parse", "HEAD")
    changed = None if commit is None else bool(_git(root, "status", "--porcelain", "--", "."))
    return {"commit": commit, "changed": changed, "sha256": digest.hexdigest()}


def _digest(columns: dict[str, Column]) -> str:
    digest = sha256()
    for name, column in columns.items():
        values = np.asarray(column)
        data = orjson.dumps(values.tolist()) if values.dtype == object else values.tobytes()
        digest.update(f"\0{name}\0{values.dtype}\0".encode() + data)
    return digest.hexdigest()


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
