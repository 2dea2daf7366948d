"""Finding a handler by its name, and initialising it, as Nuclio does."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from sluice.errors import DeclarationError, nearest

Handler = Callable[[Any, Any], Any]

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*:\w+")


def check_name(handler: str) -> None:
    """Raise DeclarationError when `handler` is not of the form pkg.mod:name."""
    if not _NAME.fullmatch(handler):
        problem = f"{handler!r} is not of the form package.module:function"
        raise DeclarationError("handler", "", problem)


def load(handler: str) -> Handler:
    """The function that "pkg.mod:name" names; its module is imported.

    Raises:
        DeclarationError: when there is no such module, or it has no such function; it lists those
            that it has. What else the import raises passes.
    """
    check_name(handler)
    module_name, _, name = handler.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as problem:
        if f"{module_name}.".startswith(f"{problem.name}."):
            hint = "it is looked for in the working folder, in that of --config, and on PYTHONPATH"
            raise DeclarationError("handler", handler, str(problem), hint) from None
        raise
    function = getattr(module, name, None)
    if not callable(function):
        found = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        text = f"{module_name} has no function {name!r}"
        raise DeclarationError("handler", handler, text, nearest(name, found))
    return function  # type: ignore[no-any-return]


async def initialise(handler: Handler, context: Any) -> None:
    """Call `init_context` of the module that defines the handler, when there is one."""
    init_context = getattr(sys.modules[handler.__module__], "init_context", None)
    if init_context is not None:
        result = init_context(context)
        if inspect.iscoroutine(result):
            await result
