"""The line of its file that an error is on; looked up when one is shown, so readers pay nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from sluice.errors import DeclarationError

_LINE = re.compile(r"line (\d+)")
_INDEX = re.compile(r"\[(\d+)\]")


def line_of(error: DeclarationError) -> int | None:
    """The line, from 1, of the field that an error names, or of what is nearest around it.

    None where the file is none, is no YAML, or has nothing of the place.
    """
    if told := _LINE.fullmatch(error.where):
        return int(told[1])
    try:
        top = yaml.compose(Path(error.file).read_text("utf-8"), yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    line = _find(top, error.where) if top is not None and error.where else None
    return None if line is None else line + 1


def _find(node: Any, where: str) -> int | None:
    """The line of a place such as a.b[2].c below a node, from 0."""
    found = _step(node, where.lstrip("."))
    if found is None:
        return None
    line, below, rest = found
    deeper = _find(below, rest) if rest else None
    return line if deeper is None else deeper


def _step(node: Any, where: str) -> tuple[int, Any, str] | None:
    """The line of the entry of a node that a place begins with, the entry, and what is left."""
    if isinstance(node, yaml.MappingNode):
        fits = [(k, v) for k, v in node.value if _begins(where, str(k.value))]
        if fits:
            key, value = max(fits, key=lambda pair: len(pair[0].value))
            return key.start_mark.line, value, where[len(key.value) :]
    if isinstance(node, yaml.SequenceNode):
        if (match := _INDEX.match(where)) and int(match[1]) < len(node.value):
            item = node.value[int(match[1])]
            return item.start_mark.line, item, where[match.end() :]
        for item in node.value:  # by its name, as the functions of project.yaml
            name = _name(item)
            if name and _begins(where, name):
                return item.start_mark.line, item, where[len(name) :]
    return None


def _begins(where: str, name: str) -> bool:
    return where.startswith(name) and where[len(name) : len(name) + 1] in ("", ".", "[")


def _name(node: Any) -> str:
    if not isinstance(node, yaml.MappingNode):
        return ""
    return next((str(v.value) for k, v in node.value if k.value == "name"), "")
