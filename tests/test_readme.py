"""Every code block in the README runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest

from sluice.client.client import Client
from tests.conftest import RECORD, ROOT
from tests.serving import served

README = (ROOT / "README.md").read_text("utf-8")


class Block(NamedTuple):
    """A fenced block: the heading that it stands under, its language, its text."""

    heading: str
    language: str
    text: str


def blocks() -> list[Block]:
    found, heading = [], ""
    for part in re.finditer(
        r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL
    ):
        if part[1]:
            heading = part[1]
        else:
            found.append(Block(heading, part[2], part[3]))
    return found


def under(heading: str, language: str) -> list[str]:
    texts = [b.text for b in blocks() if (b.heading, b.language) == (heading, language)]
    assert texts, f"the README has no {language} block under {heading!r}"
    return texts


def commands(text: str) -> list[list[str]]:
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def run(command: list[str], root: Path, **environ: str) -> str:
    """Run a command of the README in a project, with our own interpreter's `sluice`."""
    if command[0] == "sluice":
        command = [sys.executable, "-m", "sluice.cli", *command[1:]]
    environ = {**os.environ, "SLUICE_PROJECT": str(root), "PYTHONPATH": str(root), **environ}
    done = subprocess.run(
        command, cwd=root, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_no_block_is_left_out() -> None:
    covered = {
        ("Sluice", "text"), ("Two commands", "sh"), ("Two commands", "json"),
        ("In Python, with no server", "python"), ("Fresh features", "sh"),
        ("On a stream, and in batch", "sh"), ("With MLRun", "sh"), ("Versions", "sh"),
        ("Add a graph", "yaml"), ("Add a graph", "python"), ("Add a graph", "sh"),
        ("Where things are", "text"),
    }  # fmt: skip
    assert {(b.heading or "Sluice", b.language) for b in blocks()} == covered


def test_the_two_commands_are_targets() -> None:
    for command in commands(under("Two commands", "sh")[0]):
        done = subprocess.run([*command, "-n"], cwd=ROOT, capture_output=True, check=False)
        assert command[0] == "make"
        assert done.returncode == 0, done.stderr


def test_the_tree_is_the_tree() -> None:
    for line in under("Where things are", "text")[0].splitlines():
        assert (ROOT / line.split()[0]).exists(), line


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_curl_and_its_reply(flights: Path) -> None:
    curl = under("Two commands", "sh")[1]
    shown = json.loads(under("Two commands", "json")[0])
    with served("flight-delay", flights) as client:
        command = shlex.split(curl.replace("http://127.0.0.1:8080", client.url))
        got = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert json.loads(command[command.index("-d") + 1]) == RECORD
    assert got.keys() == shown.keys()
    assert {k: got[k] for k in shown if k not in ("id", "outputs")} == {
        k: shown[k] for k in shown if k not in ("id", "outputs")
    }
    (output,), (expected,) = got["outputs"], shown["outputs"]
    assert output == {**expected, "probability": pytest.approx(expected["probability"], abs=1e-3)}


def test_in_python(flights: Path) -> None:
    script = under("In Python, with no server", "python")[0]
    printed = run([sys.executable, "-c", script], flights).splitlines()
    assert 0 < float(printed[0]) < 1
    assert "origin: is missing" in printed[1]


def test_versions(flights: Path) -> None:
    for command in commands(under("Versions", "sh")[0]):
        assert run(command, flights).strip()


def test_fresh_features(flights: Path, tmp_path: Path) -> None:
    lines = under("Fresh features", "sh")[0].splitlines()
    event, get, play = lines
    script = event.replace("sluice ingest", f"{sys.executable} -m sluice.cli ingest")
    assert "accepted 1," in run(["sh", "-c", script], flights)
    values = run(commands(get)[0], flights)
    assert "late_3h" in values
    out = tmp_path / "replay"
    month = [*commands(play)[0], "--out", str(out)]
    assert "2013-04" in run(month, flights)


def test_on_a_stream_and_in_batch(flights: Path, tmp_path: Path) -> None:
    make, batch, stream, letters = under("On a stream, and in batch", "sh")[0].splitlines()
    environ = {"SLUICE_STREAM": str(tmp_path / "stream.log")}
    with Client("flight-delay", flights, stream=environ["SLUICE_STREAM"]) as client:
        good, bad = client.submit(RECORD), client.submit({"carrier": "UA"})
        run(["sh", "-c", make], tmp_path)
        run(commands(batch)[0], tmp_path, SLUICE_PROJECT=str(flights), PYTHONPATH=str(flights))
        run(commands(stream)[0], flights, **environ)
        assert run(commands(letters)[0], flights, **environ) == "0 dead letters\n"
        outputs = [client.wait(id, timeout_s=10)["outputs"][0] for id in (good, bad)]
    assert 0 < outputs[0]["probability"] < 1
    assert "origin: is missing" in outputs[1]["error"]
    [row] = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert (row["id"], row["error"]) == ("1", None)
    assert 0 < row["probability"] < 1


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project's own files."""
    for folder in ("functions", "serving_graphs"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "project.yaml", tmp_path)
    return tmp_path


def test_add_a_graph(copy: Path) -> None:
    """Only the README's files are added; sluice/ and functions/ stay as they are."""
    folder = copy / "serving_graphs" / "cancellation"
    folder.mkdir()
    (folder / "__init__.py").touch()
    *files, entry = [b for b in blocks() if b.heading == "Add a graph" and b.language != "sh"]
    files.sort(key=lambda b: b.text)
    texts = [b.text for b in (*files, entry)]
    for text in texts:
        place = text.splitlines()[0].removeprefix("# ")
        if place.startswith("project.yaml"):
            _list(copy / "project.yaml", text)
        else:
            (copy / place).write_text(text, "utf-8")
    (train, serve) = commands(under("Add a graph", "sh")[0])
    run(train, copy)
    assert serve == ["sluice", "serve", "cancellation"]
    with served("cancellation", copy) as client:
        records = [{"carrier": "UA", "origin": "EWR", "distance": 1400}, {"carrier": "ZZ"}]
        outputs = client.post("/", records).body["outputs"]
    assert outputs[0]["label"] in ("cancelled", "flown")
    assert 0 < outputs[0]["probability"] < 1
    assert outputs[1] == {"error": "origin: is missing; expected text"}


def _list(project: Path, entry: str) -> None:
    text = project.read_text("utf-8")
    lines = [f"    {line}\n" for line in entry.splitlines() if not line.startswith("#")]
    head, mark, tail = text.partition("  functions:\n")
    assert mark
    project.write_text(head + mark + "".join(lines) + tail, "utf-8")
