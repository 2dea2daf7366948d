"""input_path and result_path: which part of a body a step gets, and where its result goes.

As MLRun's sync engine does it, with its two oddities: a path into what is no mapping gives None,
and a result_path on an empty body gives the result alone.
"""

from __future__ import annotations

from typing import Any


def pick(body: Any, path: tuple[str, ...]) -> Any:
    """The part of `body` under `path`; None where there is none.

    Raises TypeError for a body that has no parts, such as a number.
    """
    if not hasattr(body, "__getitem__"):
        raise TypeError(f"input_path needs a body with fields, found {type(body).__name__}")
    for key in path:
        if body is None:
            return None
        body = body.get(key) if isinstance(body, dict) else getattr(body, key, None)
    return body


def put(body: Any, path: tuple[str, ...], result: Any) -> Any:
    """`body` with `result` under `path`, in place; an empty body is replaced by the result.

    Raises TypeError for a body that has no fields, or a path that leads through a value.
    """
    if not body:
        return result
    if not isinstance(body, dict):
        raise TypeError(f"result_path needs a body with fields, found {type(body).__name__}")
    inner = body
    for key in path[:-1]:
        inner = inner.setdefault(key, {})
        if not isinstance(inner, dict):
            raise TypeError(f"result_path leads through {key!r}, which has no fields")
    inner[path[-1]] = result
    return body


def split_escaped(path: str) -> tuple[str, ...]:
    r"""The keys of a result_path; a key that holds dots is put between backslashes.

    >>> split_escaped(r"a.b\.c\.d")
    ('a', 'b.c', 'd')
    """
    keys, escaped = [""], False
    for char in path:
        if char == "\\":
            escaped = not escaped
        elif char == "." and not escaped:
            keys.append("")
        else:
            keys[-1] += char
    return tuple(keys)
