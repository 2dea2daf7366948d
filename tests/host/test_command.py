"""`sluice host`, as it is typed."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sluice.commands.serve import add_to, read_settings
from sluice.host.function_yaml import FunctionFile
from sluice.project import Project
from tests.host.running import ROOT, commanded

SOURCE = """
import os
def handler(context, event):
    return {"a": os.environ["A"], "b": os.environ["B"], "trigger": event.trigger.name}
"""
FUNCTION = """
apiVersion: nuclio.io/v1beta1
kind: NuclioFunction
metadata: {name: f}
spec:
  handler: main:handler
  runtime: python:3.11
  image: some-image
  env: [{name: A, value: file}, {name: B, value: file}]
  triggers:
    web: {kind: http, numWorkers: 3, attributes: {maxRequestBodySize: 10}}
    clock: {kind: cron}
"""


def make(tmp_path: Path, function: str = FUNCTION) -> Path:
    folder = tmp_path / "function"
    folder.mkdir()
    (folder / "main.py").write_text(SOURCE)
    (folder / "function.yaml").write_text(function)
    return folder / "function.yaml"


def test_function_yaml_is_honoured_and_the_shell_wins(tmp_path: Path, log: Path) -> None:
    config = str(make(tmp_path))
    arguments = ("host", "--config", config, "--log-level", "debug")
    with commanded(*arguments, log=log, folder=tmp_path, workers=3, B="shell") as host:
        assert host.ask().json == {"a": "file", "b": "shell", "trigger": "web"}
        assert host.ask(body=b"x" * 11).status == 413
        assert host.said("fields not used here")[0]["with"]["fields"] == ["spec.image"]
        (record,) = host.said("triggers that are not run here")
        assert record["with"]["triggers"] == ["clock (kind cron)"]


def test_command_line_wins_over_the_file(tmp_path: Path, log: Path) -> None:
    config = str(make(tmp_path))
    arguments = ("host", "--config", config, "--workers", "1")
    with commanded(*arguments, log=log, folder=tmp_path, workers=1) as host:
        assert host.said("listening")[0]["with"]["workers"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main:handlr"], "handler: main:handlr: main has no function 'handlr' (did you mean 'ha"),
        (["mian:handler"], "handler: mian:handler: No module named 'mian' (it is looked for in"),
        (["main.handler"], "handler: 'main.handler' is not of the form package.module:function"),
        ([], "no handler is named (name it on the command line"),
        (["main:handler", "--workers", "0"], "options: workers: 0 is too small"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, log: Path, arguments: list[str], message: str
) -> None:
    folder = make(tmp_path).parent
    with commanded("host", *arguments, log=log, folder=folder, workers=0) as host:
        assert host.process.wait(20) == 1
        (line,) = log.read_text().splitlines()
        assert line.startswith("sluice: ")
        assert message in line


def test_settings_of_serve_from_weak_to_strong() -> None:
    file = FunctionFile("serve", options={"workers": 7, "event_timeout_s": 9.0, "port": 1})
    file.env = {"SLUICE_MAX_BODY": "5", "SLUICE_PORT": "2", "SLUICE_SEED": "3"}
    settings = read_settings(Project.find(ROOT), file, {"SLUICE_PORT": "4"})
    assert (settings.workers, settings.timeout) == (7, 9.0)
    assert (settings.max_body, settings.port) == (5, 4), "spec.env, and over it the environment"


def test_options_of_serve_are_none_when_not_given() -> None:
    parser = argparse.ArgumentParser()
    add_to(parser.add_subparsers())
    options = parser.parse_args(["serve", "g", "--port", "5"])
    assert (options.port, options.workers, options.reload) == (5, None, False)
