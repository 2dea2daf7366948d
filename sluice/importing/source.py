"""Reads MLRun's serving functions where people keep them; nothing of them is run, nor evaluated."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sluice.declaration import read_yaml
from sluice.errors import DeclarationError, nearest

_HINT = "export it where it was made: function.export('function.yaml'), and import that file"


@dataclass(frozen=True)
class Function:
    """A function of kind serving, as MLRun writes it.

    Attributes:
        name: its own.
        data: kind, metadata, spec.
        file: what it was read from; paths in it are relative to the folder of that.
        code: the Python file that it carries, as text; None where its classes are packages.
    """

    name: str
    data: Mapping[str, Any]
    file: Path
    code: str | None

    @property
    def spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self.data["spec"]
        return spec

    def path(self, given: str) -> Path:
        """A file or folder that the function names."""
        return self.file.parent / given.removeprefix("file://")


def read_function(source: Path, name: str = "", code: Path | None = None) -> Function:
    """The serving function in an exported function.yaml, or in an MLRun project's folder.

    Args:
        source: the file, a project.yaml, or its folder.
        name: which one, where a project has several.
        code: the Python file of its classes, where the function does not carry it.

    Raises DeclarationError, naming the functions that there are.
    """
    file = source / "project.yaml" if source.is_dir() else source
    data = read_yaml(file)
    if not isinstance(data, Mapping):
        raise DeclarationError(file, "", "is no function of MLRun, nor a project", _HINT)
    if data.get("kind") == "project" or "functions" in (data.get("spec") or {}):
        return _of_project(file, data, name, code)
    return _function(file, data, code)


def _of_project(file: Path, project: Mapping[str, Any], name: str, code: Path | None) -> Function:
    """The serving function of a project: inline, or in a file that its entry names."""
    found = {}
    for entry in (project.get("spec") or {}).get("functions") or []:
        read = _entry(file, entry)
        if read is not None and (read[1].get("kind") == "serving"):
            found[str(entry.get("name"))] = read
    if not found:
        raise DeclarationError(file, "spec.functions", "has no function of kind serving", _HINT)
    if not name and len(found) > 1:
        text = f"has {len(found)} functions of kind serving: {', '.join(found)}"
        raise DeclarationError(file, "spec.functions", text, "say which: --function NAME")
    if name and name not in found:
        raise DeclarationError(file, "spec.functions", f"no {name!r}", nearest(name, found))
    name = name or next(iter(found))
    where, data = found[name]
    return _function(where, {"metadata": {"name": name}, **data}, code)


def _entry(file: Path, entry: Any) -> tuple[Path, Mapping[str, Any]] | None:
    """File and content of one entry of a project's functions."""
    if not isinstance(entry, Mapping):
        return None
    url = str(entry.get("url", ""))
    if url.endswith((".yaml", ".yml")):
        place = file.parent / url
        return (place, read_yaml(place)) if place.is_file() else None
    inline = entry.get("spec")
    if isinstance(inline, Mapping) and "kind" in inline:  # the whole function under spec
        return file, inline
    if isinstance(inline, Mapping):
        return file, {"kind": entry.get("kind", inline.get("kind")), "spec": inline}
    return file, {"kind": entry.get("kind"), "spec": {}, "url": url}


def _function(file: Path, data: Mapping[str, Any], code: Path | None) -> Function:
    if data.get("kind") != "serving":
        found = data.get("kind")
        raise DeclarationError(file, "kind", f"expected serving, found {found!r}", _HINT)
    spec = data.get("spec")
    if not isinstance(spec, Mapping) or not isinstance(spec.get("graph"), Mapping):
        where = "spec.graph"
        raise DeclarationError(file, where, "there is no graph: it is made by a program", _HINT)
    name = str((data.get("metadata") or {}).get("name") or file.stem)
    return Function(name, data, file, code.read_text("utf-8") if code else _carried(file, spec))


def _carried(file: Path, spec: Mapping[str, Any]) -> str | None:
    """The source that a function carries, without the handler that MLRun adds at its end."""
    packed = (spec.get("build") or {}).get("functionSourceCode")
    if not packed:
        return None
    try:
        text = base64.b64decode(packed, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as error:
        where = "spec.build.functionSourceCode"
        raise DeclarationError(file, where, f"is no source: {error}", "say --code FILE") from None
    return text.partition("\nfrom mlrun.runtimes import nuclio_init_hook")[0].rstrip() + "\n"
