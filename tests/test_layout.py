"""How the parts hang together: who imports whom, who reads the environment, what serving loads."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import ORDER, Tiny

ROOT = Path(__file__).parents[1]
FOLDERS = ("sluice", "functions", "serving_graphs")
FILES = [f for folder in FOLDERS for f in sorted((ROOT / folder).rglob("*.py"))]
STEPS = ("enrich", "transform", "router", "model", "postprocess")
HEAVY = ("mlrun", "pandas", "sklearn", "xgboost", "scipy")


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def names(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=names)
def test_imports_go_one_way(file: Path) -> None:
    folder, *inner = file.relative_to(ROOT).parts
    allowed = FOLDERS[: FOLDERS.index(folder) + 1]
    for name in imports(file):
        top, *rest = name.split(".")
        if top in FOLDERS:
            assert top in allowed, f"{folder} imports {name}"
        if top == folder == "functions" and rest:
            assert rest[0] == inner[0], f"a function imports another: {name}"


def reads_environment(file: Path) -> bool:
    """Whether a file names os.environ or os.getenv for anything but to hand settings on."""
    tree = ast.parse(file.read_text("utf-8"))
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    written = {id(n.value) for n in nodes if n.attr == "update"}
    named = [n for n in nodes if isinstance(n.value, ast.Name) and n.value.id == "os"]
    return any(n.attr in ("environ", "getenv") and id(n) not in written for n in named)


def test_only_settings_reads_the_environment() -> None:
    readers = {names(file) for file in FILES if reads_environment(file)}
    assert readers == {"sluice/settings.py"}
    assert not any("os.environ" in set(imports(file)) for file in FILES)


def run(tiny: Tiny, code: str) -> str:
    """Run code in a fresh process of the tiny project; its standard output."""
    own = {n: v for n, v in os.environ.items() if not n.startswith(("SLUICE_", "PORT"))}
    environ = {
        **own,
        "SLUICE_PROJECT": str(tiny.root),
        "SLUICE_STATE": str(tiny.root / ".sluice"),
        "SLUICE_GRAPH": "binary",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=tiny.root, env=environ, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LOADED = f"""
import json, sys
print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]))
"""
IN_PROCESS = f"""
import sluice
with sluice.load("binary") as service:
    assert "probability" in service.predict({ORDER!r})
"""
ORDERS = [ORDER, {**ORDER, "amount": "much"}, {**ORDER, "city": "Oslo", "amount": None}]
ASKING = f"""
import json
from sluice.host import Event, call
def ask(function, body):
    reply = call(f"functions.{{function}}.function:handler", Event(body))
    assert reply.status == 200, (function, reply.body)
    return reply.body
orders = json.dumps({ORDERS!r}).encode()
fused = json.loads(ask("serve", orders))
assert "probability" in fused["outputs"][0] and "error" in fused["outputs"][1]
"""
APART = f"""
body = orders
for step in {STEPS!r}:
    body = ask(step, body)
apart = json.loads(body)
for key in ("model", "version", "route", "outputs", "stalest"):
    assert json.dumps(apart[key]) == json.dumps(fused[key]), key
"""


PRELOADED = """
import json, sys, threading
from sluice.commands.serve import preload
from sluice.project import Project
preload(Project.find(), "binary")
before = {m for m in sys.modules if m.startswith(("sluice.", "functions."))}
assert threading.active_count() == 1
import sluice
sluice.load("binary").close()
after = {m for m in sys.modules if m.startswith(("sluice.", "functions."))}
print(json.dumps([sorted(before), sorted(after - before)]))
"""


def test_workers_share_what_they_are_made_of(shop: Tiny) -> None:
    before, later = json.loads(run(shop, PRELOADED))
    assert {f"functions.{step}.function" for step in STEPS} <= set(before)
    formats = [m for m in before + later if m.startswith("sluice.models.formats.")]
    assert formats
    assert not set(formats) & set(later) - {"sluice.models.formats._trees"}
    assert not [m for m in later if m.startswith(("functions.", "sluice.protocol."))]


@pytest.mark.parametrize(
    "code", [IN_PROCESS, ASKING, ASKING + APART], ids=["load", "serve", "apart"]
)
def test_a_serving_process_is_light(shop: Tiny, code: str) -> None:
    """Also: the five steps apart, with JSON between them, answer to the bit what they do fused."""
    assert json.loads(run(shop, code + LOADED).splitlines()[-1]) == []
