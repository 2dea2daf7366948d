"""Model servers as versions: what they get, what they may answer, and that they are declared."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.errors import SluiceError, VersionRefused
from sluice.importing.answers import Answers, read_answers
from sluice.importing.layout import aliases
from sluice.importing.record import read_record
from sluice.models.formats.served import FILE, ServedModel, scores
from sluice.models.manifest import Draft, Manifest, seal, unseal
from sluice.models.servers import read_server
from sluice.protocol.callers import Callers
from sluice.transform.exact import Exact
from sluice.transform.transform import read_transform

SERVED = b'{"server": "m", "path": "", "answers": "number", "format": 1}'
SERVERS = """format: 1
servers:
  m:
    model: m
    inputs: lists
    spec: {graph: {steps: {m: {class_name: tests.importing.test_served.Doubles}}}}
"""


class Doubles:
    """A stand-in with the face of a model server."""

    def __init__(self, model_path: str, **_: Any) -> None:
        self.metrics = {"path": model_path}

    def do_event(self, event: Any) -> Any:
        rows = event.body["inputs"]
        event.body = {"outputs": [2 * r[0] for r in rows if r[0] is not None], "rows": rows}
        return event


class Broken(Doubles):
    """One whose load fails."""

    def post_init(self, mode: str, **_: Any) -> None:
        raise OSError("no such file")


def manifest(served: bytes = SERVED) -> tuple[Manifest, dict[str, bytes]]:
    draft = Draft(
        task="regression", model_format="mlrun", model_file=FILE, classes=[], outputs=[],
        features=["a", "b"], transform_digest="", training={}, metrics={},
        definitions={"a": {"type": "number"}, "b": {"type": "integer"}},
    )  # fmt: skip
    files = {FILE: served, "served.model.bin": b"\x00\x01"}
    return unseal("g", "1", seal("g", "1", draft, files, lambda: 0.0)).manifest, files


@pytest.fixture
def servers(tmp_path: Path) -> Path:
    (tmp_path / "servers.yaml").write_text(SERVERS, "utf-8")
    return tmp_path / "servers.yaml"


def columns(*values: float) -> dict[str, Any]:
    return {n: np.array(values, np.float64).reshape(-1, 1) for n in ("a", "b")}


def test_it_gets_what_the_caller_wrote(servers: Path) -> None:
    model = ServedModel(*manifest(), servers)
    assert model.predict(columns(0.1, 3.0)).tolist() == [[0.2], [6.0]]
    assert model._rows(columns(1.0, math.nan)) == [[1.0, 1], [None, None]]
    assert (Path(model.metrics["path"]) / "model.bin").read_bytes() == b"\x00\x01"


def test_metrics_that_are_something_else_are_none(servers: Path) -> None:
    model = ServedModel(*manifest(), servers)
    model.server.metrics = ["of its own"]
    assert model.metrics == {}


def test_an_output_for_each_input(servers: Path) -> None:
    model = ServedModel(*manifest(), servers)
    with pytest.raises(SluiceError, match="m gave no output for each input"):
        model.predict(columns(math.nan))


def test_its_files_go_with_it(servers: Path) -> None:
    model = ServedModel(*manifest(), servers)
    folder = Path(model.metrics["path"])
    del model
    assert not folder.exists()


def test_no_code_runs_that_is_not_declared(servers: Path) -> None:
    with pytest.raises(VersionRefused, match="runs code that is not declared"):
        ServedModel(*manifest(), None)
    with pytest.raises(VersionRefused, match="there is no 'x'"):
        ServedModel(*manifest(SERVED.replace(b'"m"', b'"x"')), servers)
    with pytest.raises(VersionRefused, match="is of format 2; this Sluice reads format 1"):
        ServedModel(*manifest(SERVED.replace(b": 1", b": 2")), servers)


@pytest.mark.parametrize("path", ["/etc/passwd", "../model.bin", "other.bin"])
def test_it_loads_no_file_but_its_own(servers: Path, path: str) -> None:
    own = SERVED.replace(b'"path": ""', b'"path": "model.bin"')
    assert ServedModel(*manifest(own), servers).metrics["path"].endswith("/model.bin")
    with pytest.raises(VersionRefused, match="which is no file of it"):
        ServedModel(*manifest(own.replace(b"model.bin", path.encode())), servers)


def test_code_that_fails_to_load_refuses_its_version_alone(servers: Path) -> None:
    servers.write_text(SERVERS.replace("Doubles", "Broken"), "utf-8")
    with pytest.raises(VersionRefused, match=r"m does not load: OSError\('no such file'\)"):
        ServedModel(*manifest(), servers)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("format: 1", "format: 2", "2 is not read"),
        ("model: m", "model: n", "no step 'n'"),
        ("inputs: lists", "inputs: rows", "unknown value 'rows'"),
        ("class_name", "clas_name", "did you mean|unknown field|is missing"),
    ],
)
def test_a_wrong_declaration_is_refused(servers: Path, old: str, new: str, told: str) -> None:
    servers.write_text(SERVERS.replace(old, new, 1), "utf-8")
    with pytest.raises(SluiceError, match=told):
        read_server(servers, "m")


@pytest.mark.parametrize(
    ("outputs", "kind", "classes", "expected"),
    [
        ([1, 2.5], "number", [], [[1.0], [2.5]]),
        (["b", "a"], "label", ["a", "b"], [[1.0], [0.0]]),
        ([2, 0], "label", [0, 1, 2], [[0, 0, 1], [1, 0, 0]]),
        ([[0.25, 0.75]], "probabilities", [0, 1], [[0.75]]),
        ([[0.2, 0.3, 0.5]], "probabilities", [0, 1, 2], [[0.2, 0.3, 0.5]]),
    ],
)
def test_scores(outputs: Any, kind: str, classes: list[Any], expected: Any) -> None:
    assert scores(outputs, kind, classes).tolist() == expected


@pytest.mark.parametrize(
    ("outputs", "kind", "classes", "told"),
    [
        ([3], "label", [0, 1], "answered 3, which is none of the classes"),
        ([[1, 2]], "number", [], r"answered \[1, 2\] numbers"),
        ([[1]], "label", [0, 1], r"answered \[1\], which is none of the classes"),
        (["x"], "number", [], "expected numbers"),
        ([[0.5, 0.5]], "probabilities", [0, 1, 2], r"expected \[1, 3\]"),
    ],
)
def test_answers_that_it_was_not_imported_with(
    outputs: Any, kind: str, classes: list[Any], told: str
) -> None:
    with pytest.raises(SluiceError, match=told):
        scores(outputs, kind, classes)


class Fitted:
    """An estimator that knows its classes."""

    def __init__(self, *classes: Any) -> None:
        self.classes_ = np.array(classes)


@pytest.mark.parametrize(
    ("outputs", "estimator", "expected"),
    [
        ([0, 2], Fitted(0, 1, 2), Answers("label", (0, 1, 2))),
        (["a"], Fitted("a", "b"), Answers("label", ("a", "b"))),
        ([0, 2], None, Answers("number")),
        ([0.5], Fitted(0, 1), Answers("number")),
        ([[0.2, 0.8]], Fitted("n", "y"), Answers("probabilities", ("n", "y"))),
        ([[0.2, 0.8]], None, Answers("probabilities", (0, 1))),
    ],
)
def test_read_answers(outputs: Any, estimator: Any, expected: Answers) -> None:
    assert read_answers(outputs, estimator) == expected


@pytest.mark.parametrize("outputs", [["a"], [{"x": 1}], [None], [[1.0]], [1, "a"], [[1, 2], [1]]])
def test_answers_that_no_version_has(outputs: Any) -> None:
    with pytest.raises(SluiceError, match=": "):
        read_answers(outputs, None)


def test_read_record() -> None:
    found = read_record([[1, "a", True], [2.5, None, False]], ["n", "t", "b"])
    assert dict(found.fields) == {"n": "number", "t": "string", "b": "boolean"}
    assert found.lists
    assert found.nulls == frozenset({"t"})
    assert found.of([1, "a", True]) == {"n": 1, "t": "a", "b": True}
    assert list(read_record([{"x": 1}, {"y": "a"}]).fields) == ["x", "y"]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([5], r"\[\[5\]\], not \[5\]"),
        ([[1], [1, 2]], "input 1 has 2 values"),
        ([[1], ["a"]], "field x0 is int and str"),
        ([[[1]]], "field x0 is list"),
        ([{"a b": 1}], "no name of a field"),
    ],
)
def test_inputs_that_are_no_records(rows: Any, told: str) -> None:
    with pytest.raises(SluiceError, match=told):
        read_record(rows)


NUMBERS = st.floats(allow_nan=True, allow_infinity=False)


@given(st.lists(st.tuples(NUMBERS, st.none() | st.text()), min_size=1))
def test_exact_is_the_same_for_a_table_and_for_rows(rows: list[tuple[float, Any]]) -> None:
    """And every value survives to the bit."""
    texts = np.empty(len(rows), object)
    texts[:] = [text for _, text in rows]
    table = {"n": np.array([n for n, _ in rows]), "t": texts}
    exact = Exact("n", "t").fit(table)
    exact = read_transform(exact.to_json())  # type: ignore[assignment]
    by_table = exact.transform(table)
    by_row, unknown = exact.bind(["t", "n"])([[t, n] for n, t in rows])
    for found in (by_table, by_row):
        assert found["n"][:, 0].tobytes() == table["n"].tobytes()
        assert found["t"][:, 0].tolist() == texts.tolist()
    assert unknown == []


def test_callers_name_models_as_they_did() -> None:
    callers = Callers("iris", "m1", "label", aliases(["m1", "m2:v3"]))
    assert callers.meant("m1", None, "infer") == ("iris", "m1", "infer")
    assert callers.meant("m2", "v3", "infer") == ("iris", "m2-v3", "infer")
    assert callers.meant("infer", None, "") == ("iris", None, "infer")
    assert callers.meant("iris", "m1", "infer") == ("iris", "m1", "infer")
    assert callers.meant("other", None, "infer") == ("other", None, "infer")
    assert callers.pin({"model": "m2:v3"}) == "m2-v3"
    assert callers.pin({"model": ["m1"]}) is None
    assert Callers("iris").meant("infer", None, "") == ("infer", None, "")


def test_aliases_differ() -> None:
    made = aliases(["A_1", "a 1", "1", "champion"])
    assert list(made.values()) == ["a-1", "a-1-x", "model-1", "model-champion"]
