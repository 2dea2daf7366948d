"""docs/compatibility.md: its versions are the pinned ones, its places those in the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
PINS = dict(re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / "requirements.txt").read_text(), re.M))
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
# What only Linux has, or only it tells.
LINUX = re.compile(
    r"/proc/|\"/proc\"|prctl|memfd_|pidfd_|eventfd|epoll|TCP_INFO|sched_\w+affinity"
    r"|sys\.platform [!=]= \"linux\""
)


def rows(heading: str) -> Iterator[list[str]]:
    """The cells of each row of the table under a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("|")]
    yield from ([cell.strip() for cell in line.strip("|").split("|")] for line in table[2:])


def bare(requirement: str) -> str:
    """A requirement's name, as indexes compare it."""
    return re.split(r"[ ;\[<>=]", requirement)[0].lower().replace("_", "-")


def test_versions_are_the_pinned_ones() -> None:
    told = {name: version for name, version, *_ in rows("Packages")}
    assert told == {name: PINS.get(name) for name in told}


def test_each_package_is_declared_where_it_says() -> None:
    extras = {"core": DECLARED["dependencies"], **DECLARED["optional-dependencies"]}
    told = {(bare(name), extra) for name, _, where, _ in rows("Packages")
            for extra in where.split(", ")}  # fmt: skip
    declared = {(bare(r), extra) for extra, some in extras.items() for r in some}
    assert told <= declared
    assert {name for name, extra in declared if extra == "core"} <= {name for name, _ in told}
    assert all(not re.search(r"[<>=]=?\d", r) for some in extras.values() for r in some)


def test_python_and_services() -> None:
    assert f"`{DECLARED['requires-python']}`" in PAGE
    services = {name: (run, declared) for name, run, declared in rows("Platforms and services")}
    assert PINS["mlrun"] in services["MLRun"][0]
    assert f"moto {PINS['moto']}" in services["S3"][0] == services["DynamoDB"][0]
    broker = (ROOT / "tests" / "streams" / "broker.xml").read_text("utf-8")
    [version] = re.findall(r"<artifactId>broker</artifactId>\s*<version>(.*?)</version>", broker)
    assert version in services["Kafka broker"][0]
    compose = (ROOT / "infra" / "compose" / "compose.yaml").read_text("utf-8")
    images = re.findall(r"`([\w./-]+:[\w.-]+)`", " ".join(d for _, d in services.values()))
    assert len(images) == 6
    assert [image for image in images if f"image: {image}\n" not in compose] == []


def test_what_needs_linux_is_on_the_page() -> None:
    found = {
        str(file.relative_to(ROOT))
        for folder in ("sluice", "functions", "serving_graphs")
        for file in (ROOT / folder).rglob("*.py")
        if LINUX.search(file.read_text("utf-8"))
    }
    assert found == {cells[0].strip("`") for cells in rows("Linux and macOS")}
