"""The images, as far as can be said without building them."""

from __future__ import annotations

import platform
import re
import sys

import pytest

from tests.conftest import ROOT
from tests.infra.sizes import DOCKERFILE, Size, size

TEXT = DOCKERFILE.read_text("utf-8").replace("\\\n", " ")
IGNORE = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
STAGES: dict[str, str] = dict(
    re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", TEXT, re.M | re.S)
)
INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER",
    "WORKDIR",
}  # fmt: skip


def test_each_line_is_an_instruction() -> None:
    lines = [line for line in TEXT.splitlines() if line and not line.startswith(("#", " "))]
    assert {line.split()[0] for line in lines} <= INSTRUCTIONS


def test_what_is_copied_is_there_and_not_ignored() -> None:
    sources = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", TEXT, re.M)
        for source in line.split()[:-1]
    ]
    assert {"sluice", "functions", "serving_graphs", "project.yaml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in IGNORE, f"{source} does not reach the build"
    assert IGNORE[1] == "*", "what is not named stays out: models, state, credentials"


def test_stages_are_made_of_stages_that_are_there() -> None:
    for source in re.findall(r"(?:--from=|from=)([\w-]+)", TEXT):
        assert source in STAGES


@pytest.mark.parametrize("stage", ["serving", "training"])
def test_an_image_is_not_roots(stage: str) -> None:
    users = re.findall(r"^USER (\S+)$", STAGES[stage], re.M)
    assert users == ["10001:10001"]
    after = STAGES[stage].split("USER", 1)[1]
    assert "RUN" not in after
    assert "COPY" not in after
    assert "HOME=/tmp" in STAGES["base"]
    assert "PYTHONDONTWRITEBYTECODE=1" in STAGES["base"]


def test_the_serving_image_answers_for_its_health_and_carries_no_training() -> None:
    assert "HEALTHCHECK" in STAGES["serving"]
    assert "8082/ready" in STAGES["serving"]
    assert "training-packages" not in STAGES["serving"]
    assert STAGES["serving"].rstrip().endswith('CMD ["processor"]')


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="wheels of other platforms have other sizes",
)
@pytest.mark.parametrize(
    ("argument", "image"), [("EXTRAS", "sluice-serving"), ("TRAINING_EXTRAS", "sluice-train")]
)
def test_the_page_says_how_large_the_packages_are(argument: str, image: str) -> None:
    row = re.search(
        rf"^\| `{image}` \| (\d+) \| (\d+) MB",
        (ROOT / "docs" / "deploy.md").read_text("utf-8"),
        re.M,
    )
    assert row, f"docs/deploy.md has no line on {image}"
    told, found = Size(int(row[1]), float(row[2])), size(argument)
    assert abs(told.megabytes - found.megabytes) <= 0.05 * found.megabytes, found
    assert abs(told.packages - found.packages) <= 5, found
