"""What steps find in their context: parameters, secrets, a logger, room for more."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sluice.errors import DeclarationError
from sluice.graph import Context, GraphSpec, Response, refused
from sluice.graph.secrets import SecretSource

ENVIRON = {"A": "1", "B": "2", "HOME": "/h"}


def spec(**more: Any) -> GraphSpec:
    return GraphSpec(name="g", file="graph.yaml", steps=(), **more)


def test_parameters() -> None:
    context = Context(spec(parameters={"p": 1}))
    assert (context.get_param("p"), context.get_param("q")) == (1, None)
    assert context.get_param("q", 5) == 5


def test_a_host_may_set_more() -> None:
    context = Context(spec())
    context.mine = 5  # type: ignore[attr-defined]
    assert (context.mine, context.application) == (5, None)


def test_what_there_is_not() -> None:
    context = Context(spec())
    assert getattr(context, "other", "default") == "default"
    for name, instead in refused.CONTEXT.items():
        with pytest.raises(AttributeError) as caught:
            getattr(context, name)
        assert f"no {name!r}, as it has under MLRun: {instead}" in str(caught.value)


def test_the_hosts_logger_response_and_worker_are_taken_over() -> None:
    nuclio = SimpleNamespace(logger=object(), Response=object(), worker_id=3)
    context = Context(spec(), nuclio=nuclio)
    assert context.logger is nuclio.logger
    assert (context.Response, context.worker_id) == (nuclio.Response, 3)
    assert (Context(spec()).Response, Context(spec()).worker_id) == (Response, 0)


def test_the_logger_speaks_as_nuclios(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    log = Context(spec()).logger
    for level in ("debug", "info", "warn", "warning", "error"):
        getattr(log, level)("%s of two", "one")
    for level in ("debug", "info", "warn", "error"):
        getattr(log, f"{level}_with")("%s of two", "one", path="100%", n=1)
    log.info_with("no more: 100 %s", "%")
    assert caplog.messages == [
        *["one of two"] * 5,
        *["one of two path='100%' n=1"] * 4,
        "no more: 100 %",
    ]


def test_secrets(tmp_path: Path) -> None:
    (tmp_path / "secrets.txt").write_text("# no secret\nf = from file\nhome=${HOME}/x $A $NONE\n")
    sources = (
        SecretSource("inline", {"i": 5}),
        SecretSource("file", "secrets.txt", "x_"),
        SecretSource("env", "A, NONE", "env_"),
        SecretSource("kubernetes", ["B"]),
    )
    context = Context(spec(secret_sources=sources), environ=ENVIRON, root=tmp_path)
    names = ("i", "x_f", "x_home", "env_A", "env_NONE", "B", "A", "none")
    found = [context.get_secret(name) for name in names]
    assert found == ["5", "from file", "/h/x 1 $NONE", "1", None, "2", "1", None]


def test_a_secrets_file_that_is_not_there() -> None:
    sources = (SecretSource("file", "none.txt", where="spec.secret_sources[0]"),)
    message = r"graph.yaml: spec.secret_sources\[0\].source: cannot read 'none.txt': No such file"
    with pytest.raises(DeclarationError, match=message):
        Context(spec(secret_sources=sources))
