"""Strict reading of files that people write: each field is known, typed and named in errors."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from sluice.errors import DeclarationError, nearest
from sluice.refusals import refuse

T = TypeVar("T")
_REQUIRED: Any = object()
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_MERGE = "tag:yaml.org,2002:merge"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Safe YAML that refuses a key written twice (YAML's own reader keeps the last, silently)."""


def _mapping(loader: Any, node: Any) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == _MERGE:
            continue
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(None, None, "a key must be text", key_node.start_mark)
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            mark = key_node.start_mark
            raise yaml.MarkedYAMLError(None, None, f"{key!r} is written twice", mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return dict(loader.construct_pairs(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(path: Path) -> Any:
    """The document in a YAML file. Raises DeclarationError with the line when it is not one."""
    try:
        return yaml.load(path.read_text("utf-8"), _Loader)
    except FileNotFoundError:
        raise DeclarationError(path, "", "no such file") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise DeclarationError(path, f"line {line}", str(error.problem)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeclarationError(path, "", f"not YAML: {error}") from None


class Section:
    """One mapping of a declaration. Take its fields one by one, then call `done`.

    >>> section = Section({"type": "number"}, "features.yaml", "weather.temp")
    >>> section.take("type", str)
    'number'
    >>> section.done()
    """

    def __init__(self, data: Any, file: object, where: str = "") -> None:
        self.file, self.where = file, where
        if not isinstance(data, Mapping):
            raise self.error("", f"expected a mapping, found {_kind(data)}")
        for name in data:
            if not isinstance(name, str):
                problem = f"the key {name!r} is {_kind(name)}, not text"
                raise self.error("", problem, "write it in quotes")
        self._data = dict(data)
        self._known: list[str] = []

    @property
    def names(self) -> list[str]:
        """The fields that nobody took yet."""
        return list(self._data)

    def error(self, field: str, problem: str, hint: str = "") -> DeclarationError:
        """A DeclarationError at this place."""
        where = f"{self.where}.{field}" if self.where and field else self.where or field
        return DeclarationError(self.file, where, problem, hint)

    def take(self, field: str, kind: type[T] | tuple[type, ...], default: Any = _REQUIRED) -> Any:
        """The value of `field`, checked against `kind`; an absent one is `default` or an error."""
        self._known.append(field)
        value = self._data.pop(field, None)
        if value is None:
            if default is _REQUIRED:
                return refuse(self.error(field, "is missing"), _neutral(kind))
            return default
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wrong_bool = isinstance(value, bool) and bool not in kinds and object not in kinds
        if wrong_bool or not isinstance(value, float if kinds == (float,) else kinds):
            if kinds == (float,) and isinstance(value, int) and not isinstance(value, bool):
                return float(value)
            names = " or ".join(_KINDS.get(k, k.__name__) for k in kinds)
            error = self.error(field, f"expected {names}, found {_kind(value)} {value!r}")
            return refuse(error, _neutral(kind) if default is _REQUIRED else default)
        return value

    def choose(self, field: str, allowed: Any, default: Any = _REQUIRED) -> Any:
        """The value of `field`, which must be one of `allowed`."""
        value = self.take(field, str, default)
        if value is not None and value not in allowed:
            error = self.error(field, f"unknown value {value!r}", nearest(value, allowed))
            return refuse(error, next(iter(allowed)) if default is _REQUIRED else default)
        return value

    def duration(self, field: str, default: Any = _REQUIRED) -> Any:
        """The value of `field` in seconds, from a number or text such as 90s, 15m, 2h, 1d."""
        value = self.take(field, (int, float, str), default)
        if value is None:
            return None
        if not isinstance(value, str) and value >= 0:
            return float(value)
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            hint = "write 500ms, 90s, 15m, 2h or 1d"
            return refuse(self.error(field, f"not a duration: {value!r}", hint), 0.0)
        return float(match[1]) * _SECONDS[match[2]]

    def section(self, field: str, default: Any = _REQUIRED) -> Section:
        """The mapping under `field`."""
        where = f"{self.where}.{field}" if self.where else field
        return Section(self.take(field, Mapping, default), self.file, where)

    def sections(self, field: str, default: Any = _REQUIRED) -> dict[str, Section]:
        """The mapping of mappings under `field`, by name."""
        inner = self.section(field, default)
        return {name: inner.section(name, {}) for name in inner.names}

    def rest(self) -> dict[str, Any]:
        """The fields that nobody took; they count as taken."""
        data, self._data = self._data, {}
        return data

    def done(self) -> None:
        """Raise for the first field that nobody took."""
        for field in self._data:
            refuse(self.error(field, "unknown field", nearest(field, self._known)), None)


_KINDS: dict[type, str] = {
    str: "text", int: "a whole number", float: "a number", bool: "true or false",
    list: "a list", Mapping: "a mapping", object: "a value",
}  # fmt: skip


def _neutral(kind: type | tuple[type, ...]) -> Any:
    """The value of a field that says nothing."""
    first = kind[0] if isinstance(kind, tuple) else kind
    if first is Mapping:
        return {}
    return None if first is object else first()


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    for kind in (bool, str, int, float, list):
        if isinstance(value, kind):
            return _KINDS[kind]
    return "a mapping" if isinstance(value, Mapping) else type(value).__name__


def load_object(path: str, file: object, where: str, root: Path | None = None) -> Any:
    """The object that a dotted path names; `root` (the project's folder) is made importable.

    Raises DeclarationError when the module or the name is not there; the path is looked up,
    never evaluated.
    """
    if root is not None and str(root) not in sys.path:
        sys.path.insert(0, str(root))
    dotted = path.replace(":", ".")
    module_name, _, name = dotted.rpartition(".")
    if not _DOTTED.fullmatch(dotted):
        raise DeclarationError(file, where, f"{path!r} is not a dotted path", "package.module.name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        hint = f"importing {module_name} needs {error.name}, which is not there"
        raise DeclarationError(file, where, f"cannot import {path!r}", hint) from error
    if not hasattr(module, name):
        public = [n for n in vars(module) if not n.startswith("_")]
        raise DeclarationError(file, where, f"{module_name} has no {name!r}", nearest(name, public))
    return getattr(module, name)
