"""How much the packages of an image take, counted from what is installed here.

python -m tests.infra.sizes
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from tests.conftest import ROOT

DOCKERFILE = ROOT / "infra" / "docker" / "Dockerfile"


class Size(NamedTuple):
    """Of an image's packages; without compiled .pyc files."""

    packages: int
    megabytes: float


def extras(argument: str) -> list[str]:
    """The extras that an ARG of the Dockerfile names."""
    found = re.search(rf"^ARG {argument}=(\S+)$", DOCKERFILE.read_text("utf-8"), re.M)
    assert found, f"the Dockerfile has no ARG {argument}"
    return found[1].split(",")


def size(argument: str) -> Size:
    """The size of all that an image installs: the core, the extras, and what those need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    more = [r for e in extras(argument) for r in project["optional-dependencies"][e]]
    found = needed([*project["dependencies"], *more])
    return Size(len(found), sum(_bytes(d) for d in found.values()) / 1e6)


def needed(requirements: list[str]) -> dict[str, Distribution]:
    """The packages that requirements ask for, directly or not, by name."""
    waiting = [Requirement(text) for text in requirements]
    seen: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, Distribution] = {}
    while waiting:
        asked = waiting.pop()
        key = (asked.name.lower(), frozenset(asked.extras))
        if key in seen or not _applies(asked, set()):
            continue
        seen.add(key)
        package = distribution(asked.name)
        found[_name(package)] = package
        for text in package.requires or []:
            inner = Requirement(text)
            if _applies(inner, asked.extras):
                inner.marker = None
                waiting.append(inner)
    return found


def _applies(requirement: Requirement, asked: set[str]) -> bool:
    marker: Any = requirement.marker
    return marker is None or any(marker.evaluate({"extra": e}) for e in ("", *asked))


def _name(package: Distribution) -> str:
    return re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()


def _bytes(package: Distribution) -> int:
    files = [Path(str(f.locate())) for f in package.files or [] if f.suffix != ".pyc"]
    return sum(f.stat().st_size for f in files if f.is_file())


if __name__ == "__main__":
    for name in ("EXTRAS", "TRAINING_EXTRAS"):
        found = size(name)
        print(f"{name}: {found.packages} packages, {found.megabytes:.0f} MB")  # noqa: T201
