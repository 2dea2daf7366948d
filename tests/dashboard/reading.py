"""Reads a page as a browser would, as far as tests want to know."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

_VOID = {"meta", "link", "input"}


class Read(HTMLParser):
    """A page: its elements in order, the numbers with their places, and its text.

    Attributes:
        elements: name and attributes.
        numbers: by place in the JSON, the value.
        text: without markup.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.numbers: dict[str, Any] = {}
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag not in _VOID:
            self._open.append(tag)
        if place := found.get("data-at"):
            value = json.loads(found["value"] or "")
            assert self.numbers.setdefault(place, value) == value

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def lookup(document: Any, place: str) -> Any:
    """What is at a place of a document, a JSON Pointer."""
    for step in place.split("/")[1:]:
        document = document[int(step) if isinstance(document, list) else step]
    return document
