"""Writing HTML: what is no markup already is escaped, wherever it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = {"input", "link", "meta"}


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
        written = key.rstrip("_").replace("_", "-")
        if value is True:
            words.append(written)
        elif value is not None and value is not False:
            words.append(f'{written}="{escape(str(value))}"')
    opening = f"<{' '.join(words)}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{joined(content)}</{name}>")


def joined(content: Iterable[str | None]) -> Html:
    """Some content, one after the other."""
    parts = (part for part in content if part is not None)
    return Html("".join(p if isinstance(p, Html) else escape(p) for p in parts))


def raw(text: str) -> Html:
    """Text of ours that is markup, such as the style."""
    return Html(text)
