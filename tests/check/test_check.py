"""`sluice check`: each kind of problem is found with its file and line, and all of them at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sluice.check.project import check
from tests.conftest import ROOT
from tests.tiny import Tiny

GRAPH = "graphs/binary/graph.yaml"


@pytest.fixture
def project(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """A trained project whose state is where its settings say by default."""
    monkeypatch.delenv("SLUICE_STATE")
    monkeypatch.delenv("SLUICE_PROJECT")
    return shop


def found(project: Tiny, graph: str = "binary", environ: Any = None) -> list[str]:
    problems = check(project.root, graph, environ or {})
    assert len({str(p) for p in problems}) == len(problems), "each is said once"
    return [f"{p.level}: {p}" for p in problems]


def line(project: Tiny, file: str, text: str) -> int:
    """The first line of a file that has a text, from 1."""
    lines = (project.root / file).read_text("utf-8").splitlines()
    return next(i for i, found in enumerate(lines, 1) if text in found)


def test_nothing_is_wrong_with_ours(project: Tiny) -> None:
    assert found(project) == []
    assert [p for p in check(ROOT, "", {}) if p.level == "error"] == []


def test_a_graph_that_nobody_trains_is_worth_a_note(project: Tiny) -> None:
    project.edit(GRAPH, "      training: tinyshop.binary\n", "")
    [said] = found(project)
    assert said.startswith(f"note: {GRAPH}:")
    assert "training: is missing: versions come by `sluice models add` alone" in said


def test_an_entity_of_another_store_needs_a_source_for_training(project: Tiny) -> None:
    """Without training none is missed."""
    place = project.root / "features.yaml"
    entity = "  clients:\n    online: feast:clients\n    keys: {city: city}\n"
    features = "    features: {visits: {type: number, default: 0}}\n"
    text = place.read_text("utf-8").replace("entities:\n", f"entities:\n{entity}{features}", 1)
    place.write_text(text, "utf-8")
    environ = {"SLUICE_FEAST": "http://127.0.0.1:1"}
    [said] = found(project, environ=environ)
    assert "entities.clients.source: is missing: training needs it" in said
    project.edit(GRAPH, "      training: tinyshop.binary\n", "")
    assert [p for p in found(project, environ=environ) if p.startswith("error")] == []


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        (GRAPH, "engine: sync", "engine: fast", "spec.graph.engine: unknown value 'fast'"),
        (GRAPH, "policy: champion", "policy: any", "step router, class_args.policy: no policy"),
        (GRAPH, "policy: champion", "policy: champion, x: 1", "step router, class_args: policy"),
        (GRAPH, "transform.function.Transform", "transform.function.Tranform",
         "step transform, class_name: functions.transform.function has no 'Tranform'"),
        (GRAPH, "functions.model.function", "functions.modle.function",
         "step model, class_name: cannot import 'functions.modle.function.Model'"),
        (GRAPH, "responder: true", "respond: true", "step postprocess, respond: unknown field"),
        (GRAPH, "    responder: true", "    class_args: {rules: [{rule: treshold, at: 1}]}",
         "step postprocess, class_args.rules[0]: no rule 'treshold'"),
        (GRAPH, "    responder: true", "    class_args: {items: {id: city}}",
         "step postprocess, class_args.items: asks for ranked lists, but features.yaml"),
        (GRAPH, "    responder: true",
         "    class_args: {rules: [{rule: group_threshold, by: town, at: {x: 1}, otherwise: 0}]}",
         "step postprocess, class_args.rules[0]: rule group_threshold: no column 'town'"),
        (GRAPH, "features: features.yaml", "features: feature.yaml",
         "spec.parameters.sluice.features: no such file: feature.yaml"),
        (GRAPH, "training: tinyshop.binary", "training: tinyshop.binaries",
         "spec.parameters.sluice.training: tinyshop has no 'binaries'"),
        (GRAPH, "training: tinyshop.binary", "training: tinyshop.CITIES",
         "spec.parameters.sluice.training: expected a Training, found list"),
        (GRAPH, "format: 1", "stream: {batch_ms: -1}\n      format: 1",
         "spec.parameters.sluice.stream.batch_ms: expected 0 to 60000"),
        (GRAPH, "format: 1", "deploy: {replica: 2}\n      format: 1",
         "spec.parameters.sluice.deploy.replica: unknown field"),
        (GRAPH, "format: 1", "rollout: {percentages: [50, 10]}\n      format: 1",
         "spec.parameters.sluice.rollout.percentages: [50, 10] does not rise from 1 to 100"),
        (GRAPH, "format: 1", "redact: {city: hash}\n      format: 1",
         "spec.parameters.sluice.redact.city: redact.city: a hash wants a salt"),
        (GRAPH, "format: 1", "playback: tinyshop.nothing\n      format: 1",
         "spec.parameters.sluice.playback: tinyshop has no 'nothing'"),
        (GRAPH, "graph: binary", "graph: binry", "'binry' is not metadata.name, 'binary'"),
        (GRAPH, "engine: sync", "engine: sync\n    engine: sync", "'engine' is written twice"),
        ("features.yaml", "type: string, required", "type: strin, required",
         "record.city.type: unknown value 'strin'"),
        ("features.yaml", "keys: {city: city}", "keys: {city: town}",
         "entities.weather.keys.city: no record field 'town'"),
        ("features.yaml", "source: tinyshop.places", "source: tinyshop.place",
         "entities.place.source: tinyshop has no 'place'"),
        ("features.yaml", "as_of: tinytimes.asked", "as_of: tinytimes.ask",
         "as_of: tinytimes has no 'ask'"),
        ("project.yaml", "params: {sluice: {}}", "params: {sluice: {prot: 1}}",
         "spec.params.sluice.prot: no such setting"),
        ("project.yaml", "params: {sluice: {}}", "params: {sluice: {public: all}}",
         "public: unknown page 'all'"),
        ("project.yaml", "- {name: classes, url", "- {name: job, kind: job, handler: nowhere.job}\n"
         "    - {name: classes, url", "spec.functions.job.handler: cannot import 'nowhere.job'"),
    ],
)  # fmt: skip
def test_a_problem_has_its_place(project: Tiny, file: str, old: str, new: str, said: str) -> None:
    project.edit(file, old, new)
    [problem] = [p for p in found(project) if said in p]
    assert problem.startswith("error: ")
    if "page" not in said:  # of the settings, which may stand elsewhere
        at = line(project, file, new.splitlines()[0].strip()) + ("twice" in said)
        assert problem.startswith(f"error: {file}:{at}: ")


def test_all_at_once(project: Tiny) -> None:
    """Many mistakes in many files: each is found, nothing is made up."""
    project.edit("project.yaml", "params: {sluice: {}}", "params: {sluice: {port: x, worker: 1}}")
    project.edit(GRAPH, "engine: sync", "engine: fast")
    project.edit(GRAPH, "{class_name: functions.enrich.function.Enrich}", "{class: x, kind: queue}")
    project.edit(GRAPH, "{policy: champion}", "{policy: nobody}")
    project.edit(GRAPH, "responder: true", "responder: 1\n        then: x")
    project.edit("features.yaml", "minimum: 0, maximum: 1000", "minimum: low, most: 1000")
    project.edit("features.yaml", "visits: {type: integer, default: 1}", "visits: {required: true}")
    project.edit("features.yaml", "max_age: 6h", "max_age: soon")
    project.edit("features.yaml", "size: {type: number}", "size: {type: number, default: big}")
    problems = found(project, environ={"SLUICE_REFRSH": "1", "SLUICE_STATE": "x"})
    said = "\n".join(problems)
    for text in (
        "environment: SLUICE_REFRSH: no such setting (did you mean 'SLUICE_REFRESH'?",
        "spec.params.sluice.port: expected a whole number, found 'x'",
        "spec.params.sluice.worker: no such setting (did you mean 'workers'?",
        "spec.graph.engine: unknown value 'fast'",
        "step enrich, kind: queue is not supported",
        "step router, class_args.policy: no policy 'nobody'",
        "step postprocess, responder: expected true or false, found a whole number 1",
        "step postprocess, then: unknown field",
        "record.amount.minimum: expected a number, found text 'low'",
        "record.amount.most: unknown field",
        "record.visits.type: is missing",
        "entities.weather.max_age: not a duration: 'soon'",
        "entities.place.features.size.default: expected a number, found 'big'",
    ):
        assert text in said, text
    assert len(problems) == 13, said


def test_code_of_the_project_that_raises_is_named_with_its_line(project: Tiny) -> None:
    project.edit("tinyshop.py", "binary = Training(", "nothing()\nbinary = Training(")
    assert [p for p in found_fresh(project) if "tinyshop.py" in p] == [
        f"error: tinyshop.py:{line(project, 'tinyshop.py', 'nothing()')}: "
        "raises NameError: name 'nothing' is not defined"
    ]
    project.edit("tinyshop.py", "nothing()\n", "def (\n")
    [problem] = [p for p in found_fresh(project) if "SyntaxError" in p]
    assert f"tinyshop.py:{line(project, 'tinyshop.py', 'def (')}" in problem


def test_a_candidate_that_wants_an_unknown_column(project: Tiny) -> None:
    project.edit("tinyshop.py", '"sky": Category("weather.sky")', '"sky": Category("weather.ski")')
    problems = found_fresh(project)
    [problem] = [p for p in problems if "candidate 'trees': unknown column 'weather.ski'" in p]
    at = line(project, GRAPH, "training: tinyshop")
    assert problem.startswith(f"error: {GRAPH}:{at}: spec.parameters.sluice.training: ")


def test_versions_that_would_be_refused(project: Tiny) -> None:
    project.edit("features.yaml", "temp: {type: number, default: 10}", "temp: {type: number}")
    problems = found(project)
    [refused] = [p for p in problems if p.startswith("error: ")]
    assert "version 2 (champion) would be refused: binary version 2: features.yaml" in refused
    assert "weather.temp has changed" in refused


def test_what_is_not_there_yet_is_a_note(project: Tiny, tmp_path: Path) -> None:
    project.edit("project.yaml", "{sluice: {}}", "{sluice: {state: elsewhere}}")
    notes = found(project)
    assert all(p.startswith("note: ") for p in notes)
    assert "binary has no champion yet (train one: sluice run main --graph binary)" in notes[0]
    assert "entities: not filled: weather, place (sluice materialise binary)" in notes[1]
    assert not (project.root / "elsewhere").exists(), "nothing is made"


def test_features_of_another_declaration(project: Tiny) -> None:
    project.edit("features.yaml", "      size: {type: number}", "      size: {type: string}")
    said = "\n".join(p for p in found(project) if p.startswith("note: "))
    at = line(project, "features.yaml", "place:")
    assert f"features.yaml:{at}: entities.place: binary's store was filled for another" in said


def test_a_function_yaml(project: Tiny) -> None:
    folder = project.root / "functions" / "own"
    folder.mkdir(parents=True)
    text = (ROOT / "functions" / "serve" / "function.yaml").read_text("utf-8")
    wrong = text.replace("numWorkers", "numWorker").replace("SLUICE_GRAPH", "SLUICE_GRAF")
    (folder / "function.yaml").write_text(wrong, "utf-8")
    problems = found(project)
    file = "functions/own/function.yaml"
    assert any(f"{file}:" in p and "numWorker: unknown field" in p for p in problems)
    assert any(f"{file}:" in p and "SLUICE_GRAF: no such setting" in p for p in problems)


def command(project: Tiny, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    own = {n: v for n, v in os.environ.items() if not n.startswith("SLUICE_")}
    path = f"{project.root}{os.pathsep}{ROOT}"
    return subprocess.run(
        [sys.executable, "-m", "sluice.cli", "check", *arguments],
        cwd=project.root, env={**own, "PYTHONPATH": path, **environ},
        text=True, capture_output=True, check=False,
    )  # fmt: skip


def found_fresh(project: Tiny) -> list[str]:
    """As `found`, in a process that has not imported the project's modules yet."""
    return command(project, "binary").stdout.splitlines()[:-1]


def test_the_command(project: Tiny) -> None:
    good = command(project, "binary")
    assert (good.returncode, good.stdout) == (0, "0 errors, 0 notes\n")
    project.edit(GRAPH, "{policy: champion}", "{policy: nobody}")
    bad = command(project, "binary", "--json", SLUICE_PROT="secret")
    told = json.loads(bad.stdout)
    assert bad.returncode == 1
    assert (told["errors"], told["notes"]) == (2, 0)
    variable, policy = told["problems"]
    assert (variable["file"], variable["field"]) == ("environment", "SLUICE_PROT")
    assert "secret" not in bad.stdout + bad.stderr
    hint = policy.pop("hint")
    assert "champion" in hint
    assert policy == {
        "level": "error", "file": GRAPH, "line": line(project, GRAPH, "nobody"), "step": "router",
        "field": "class_args.policy", "problem": "no policy 'nobody'",
    }  # fmt: skip
    unknown = command(project, "nothing")
    assert unknown.returncode == 1
    assert "no graph 'nothing'" in unknown.stderr


def test_a_project_that_is_no_yaml(project: Tiny) -> None:
    (project.root / "project.yaml").write_text("kind: project\na: }\n", "utf-8")
    [problem] = found(project)
    assert problem.startswith("error: project.yaml:2: ")
