"""A new entry in project.yaml, by its text: comments and the order of things stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sluice.declaration import read_yaml
from sluice.errors import DeclarationError


def with_entry(file: Path, entry: Mapping[str, str]) -> str:
    """The text of project.yaml with one more function, after the last graph in the list.

    Raises DeclarationError, with the entry to write by hand, where the list is not written as a
    block.
    """
    data, text = read_yaml(file), file.read_text("utf-8")
    functions = _list(yaml.compose(text, yaml.SafeLoader))
    lines = text.splitlines(keepends=True)
    by_hand = ", ".join(f"{name}: {value}" for name, value in entry.items())
    hint = f"write the entry by hand: - {{{by_hand}}}"
    refused = DeclarationError(file, "spec.functions", "is no list in block style", hint)
    if functions is None or not functions.value or functions.flow_style:
        raise refused
    place, graphs = functions.start_mark.line, data["spec"]["functions"]
    at = 0
    for index, (node, found) in enumerate(zip(functions.value, graphs, strict=True)):
        if str(found.get("url", "")).endswith("graph.yaml"):
            place, at = _last_line(node) + 1, index + 1
    indent = " " * functions.start_mark.column
    fields = [f"{k}: {v}\n" for k, v in entry.items()]
    added = [f"{indent}{'- ' if i == 0 else '  '}{field}" for i, field in enumerate(fields)]
    if place and not lines[place - 1].endswith("\n"):
        lines[place - 1] += "\n"
    made = "".join([*lines[:place], *added, *lines[place:]])
    graphs.insert(at, dict(entry))
    if yaml.safe_load(made) != data:
        raise refused
    return made


def _list(top: Any) -> Any:
    """The node of spec.functions, if there is one."""
    for name in ("spec", "functions"):
        if not isinstance(top, yaml.MappingNode):
            return None
        top = next((value for key, value in top.value if key.value == name), None)
    return top if isinstance(top, yaml.SequenceNode) else None


def _last_line(node: Any) -> int:
    """The line on which a node ends, without what follows it; from 0."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        line: int = node.end_mark.line
        return line
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)
