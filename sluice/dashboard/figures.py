"""The numbers of a document on a page: each says where in the document it is from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from sluice.dashboard.forms import NONE
from sluice.dashboard.html import Html, tag

Form = Callable[[Any], str]
At = tuple[str | int, ...]


class Figures:
    """A document, and its numbers as elements: `<data value="12" data-at="/traffic/requests">`.

    The value is that of the JSON, and data-at its place there, a JSON Pointer (RFC 6901), so that
    what the page shows can be held against the JSON.
    """

    def __init__(self, document: Any) -> None:
        self._document = document

    def at(self, *place: str | int) -> Any:
        """What is at a place."""
        found = self._document
        for step in place:
            found = found[step]
        return found

    def show(self, form: Form, *place: str | int) -> Html:
        """The number at a place, written in a form; a dash where there is none."""
        value = self.at(*place)
        shown = NONE if value is None else form(value)
        pointer = "".join(f"/{step}" for step in place)
        return tag("data", shown, value=orjson.dumps(value).decode(), data_at=pointer)

    def row(self, place: At, columns: Sequence[tuple[Form, str]]) -> list[Html]:
        """Several of one row."""
        return [self.show(form, *place, name) for form, name in columns]
