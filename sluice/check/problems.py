"""What a check has found."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from sluice.errors import DeclarationError, SluiceError
from sluice.lines import line_of
from sluice.refusals import collecting

T = TypeVar("T")
ERROR, NOTE = "error", "note"
_STEP = re.compile(r"spec\.graph\.steps\.([^.\[]+)\.?(.*)")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong (an error), or worth knowing (a note).

    `file` is relative to the project; `line` counts from 1; `step` and `field` are empty where the
    problem is about none.
    """

    level: str
    file: str
    line: int | None
    step: str
    field: str
    problem: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        named = f"step {self.step}" if self.step else ""
        where = ", ".join(part for part in (named, self.field) if part)
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}: {f'{where}: ' if where else ''}{self.problem}{hint}"

    def as_dict(self) -> dict[str, Any]:
        """Its fields by name."""
        return asdict(self)


class Problems:
    """Collects problems of a project in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.found: list[Problem] = []

    def add(self, error: DeclarationError, level: str = ERROR) -> None:
        """Keep what an error says, unless it is known already."""
        match = _STEP.fullmatch(error.where)
        step, field = match.groups() if match else ("", error.where)
        line = line_of(error)
        if line is not None and field == f"line {line}":
            field = ""
        told = error.problem, error.hint
        problem = Problem(level, self._relative(error.file), line, step, field, *told)
        if problem not in self.found:
            self.found.append(problem)

    def attempt(
        self, function: Callable[..., T], *args: Any, file: object, where: str = ""
    ) -> T | None:
        """`function(*args)`; what is wrong becomes problems, of `file` and `where` if it says none.

        None where it came to no end. Code of the project may raise anything: that is a problem at
        its own line.
        """
        result: T | None = None
        try:
            with collecting() as errors:
                result = function(*args)
        except SluiceError as error:
            self.add(DeclarationError(file, where, str(error)))
        except Exception as error:
            self.add(self._raised(error, file, where))
        for found in errors:
            self.add(found)
        return result

    def _raised(self, error: Exception, file: object, where: str) -> DeclarationError:
        """The error at the innermost line of the project that it came through."""
        problem = f"{type(error).__name__}: {error}"
        if isinstance(error, SyntaxError) and error.filename:
            return DeclarationError(error.filename, f"line {error.lineno}", problem)
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if self._is_own(f.filename)]
        if not own:
            return DeclarationError(file, where, f"raises {problem}")
        return DeclarationError(own[-1].filename, f"line {own[-1].lineno}", f"raises {problem}")

    def _is_own(self, file: str) -> bool:
        parts = Path(file).parts
        inside = Path(file).is_relative_to(self.root)
        return inside and not any(p.startswith(".") or p == "sluice" for p in parts[-4:])

    def _relative(self, file: str) -> str:
        path = Path(file)
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else file
