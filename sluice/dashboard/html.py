"""Writing HTML: what is no markup already is escaped, wherever it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from html import escape

_VOID = {"input", "link", "meta"}
_special = re.compile("[&<>\"']").search


class Html(str):
    """Text that is markup. Only this file makes it."""

    __slots__ = ()


def tag(name: str, /, *content: str | None, **attributes: object) -> Html:
    """An element. Text is escaped, None left out.

    An attribute's name may end with an underscore, and has hyphens for those within; True stands
    for one without a value, None and False for none.

    >>> tag("p", "a < b", tag("b", "c"), class_="note", data_at=None)
    '<p class="note">a &lt; b<b>c</b></p>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is True:
            words.append(_attribute(key))
        elif value is not None and value is not False:
            words.append(f'{_attribute(key)}="{_escaped(str(value))}"')
    opening = f"<{' '.join(words)}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{joined(content)}</{name}>")


def joined(content: Iterable[str | None]) -> Html:
    """Some content, one after the other."""
    return Html("".join([p if type(p) is Html else _escaped(p) for p in content if p is not None]))


def raw(text: str) -> Html:
    """Text of ours that is markup, such as the style."""
    return Html(text)


@cache
def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _escaped(text: str) -> str:
    """Most text has nothing to escape: to look is cheaper."""
    return escape(text) if _special(text) else text
