"""The page: what a document says, as HTML without scripts and without anything from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from sluice.dashboard import parts, quality, stories
from sluice.dashboard.figures import Figures
from sluice.dashboard.forms import clock, count, minute, seconds, share
from sluice.dashboard.html import Html, joined, raw, tag
from sluice.dashboard.look import Look
from sluice.dashboard.style import STYLE
from sluice.dashboard.tables import note, section

_SUM = b64encode(sha256(STYLE.encode()).digest()).decode()
# All that the page may do: have its own style. Nobody may frame it.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_SUM}'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
_SECTIONS = (
    ("alerts", "Alerts", parts.alerts),
    ("traffic", "Traffic", parts.traffic),
    ("steps", "Steps", parts.steps),
    ("drift", "Features", quality.drift),
    ("performance", "Performance", quality.performance),
    ("correction", "Correction", stories.correction),
    ("versions", "Versions", parts.versions),
    ("router", "Router", parts.router),
    ("canary", "Canary", parts.canary),
    ("loop", "Retraining", stories.loop),
    ("history", "History", stories.history),
    ("defaults", "Defaults and ages", parts.defaults),
    ("dead-letters", "Dead letters", parts.dead_letters),
)


def page(document: Any, look: Look) -> str:
    """The page of a document."""
    figures = Figures(document)
    title = f"{document['graph']} – Sluice"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", title),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("style", raw(STYLE)),
    )
    shown = [(n, t, made) for n, t, make in _SECTIONS if (made := make(figures, look)) is not None]
    body = tag(
        "body",
        tag("a", "Skip to the figures", href="#main", class_="skip"),
        _header(figures, look, [(n, t) for n, t, _ in shown]),
        tag("main", _first(figures), *(section(*one) for one in shown), id="main"),
        tag("footer", _footer(look)),
    )
    return f"<!doctype html>{tag('html', head, body, lang='en')}"


def _header(figures: Figures, look: Look, sections: list[tuple[str, str]]) -> Html:
    document = figures.at()
    heading = tag("h1", document["graph"], tag("small", f"project {document['project']}"))
    links = [tag("li", tag("a", title, href=f"#{name}")) for name, title in sections]
    menu = tag("nav", tag("ul", *links), aria_label="Sections")
    return tag("header", heading, _lead(figures), _form(document, look), menu)


def _lead(figures: Figures) -> Html | None:
    """What there is to know, in a sentence or three."""
    document = figures.at()
    if "traffic" not in document:
        return None
    said: list[str] = [
        figures.show(count, "traffic", "requests"),
        f" requests from {minute(document['since'])} to {clock(document['until'])} UTC, ",
        figures.show(share, "traffic", "failed_share"),
        " of them failed. Half took up to ",
        figures.show(seconds, "traffic", "p50_s"),
        ", 99 % up to ",
        figures.show(seconds, "traffic", "p99_s"),
        ". ",
    ]
    champion = [a["version"] for a in document.get("aliases", []) if a["alias"] == "champion"]
    if champion:
        said.append(f"Version {champion[0]} is champion. ")
    said.append(_drifted(document["drift"]))
    said += _to_decide(document.get("loop") or {})
    if opened := (document.get("alerts") or {}).get("open"):
        words = "1\u00a0incident is open." if opened == 1 else f"{opened}\u00a0incidents are open."
        said += [" ", tag("a", words, href="#alerts", class_="bad")]
    return tag("p", *said, class_="lead")


def _to_decide(loop: Any) -> list[str]:
    """What the loop waits for a person with."""
    waits = [f"version\u00a0{version} waits for approval" for version in loop.get("waiting", ())]
    waits += ["retraining is stopped"] if loop.get("stopped") else []
    said = "; ".join(waits)
    return (
        [" ", tag("a", f"{said[0].upper()}{said[1:]}.", href="#loop", class_="bad")] if said else []
    )


def _drifted(drift: Any) -> Html:
    names = drift.get("drifted", [])
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        words = f"Drifted: {', '.join(names[:3])}{more}."
        return tag("a", words, href="#drift", class_="bad")
    if drift.get("judged"):
        return joined(["No feature has drifted."])
    return joined(["Too few records yet to say whether features have drifted."])


def _form(document: Any, look: Look) -> Html | None:
    """Which version and which segment; the other parts of the look stay."""
    choices = []
    for name, all_ in (("version", "all versions"), ("segment", "all records")):
        known = document.get(f"{name}s", [])
        if len(known) > 1 or look._asdict()[name]:
            chosen = look._asdict()[name]
            options = [tag("option", all_, value="")]
            options += [tag("option", k, value=k, selected=k == chosen) for k in known]
            choices.append(tag("label", f"{name} ", tag("select", *options, name=name)))
    if not choices:
        return None
    return tag("form", *choices, tag("button", "Show"), method="get")


def _first(figures: Figures) -> Html | None:
    """What to do where there is nothing to see."""
    document = figures.at()
    if "traffic" in document:
        return None
    graph = document["graph"]
    if document["read_until"] is not None:
        latest = figures.show(minute, "read_until")
        words = note("There were no requests. The latest that was counted is of ", latest, " UTC.")
        return section("empty", "Nothing in this day", words)
    lead = note("Count what the graph answers. ", tag("code", "make serve"),
                " does so; else run beside it:")  # fmt: skip
    ask = note("Send a request, as the README shows. Then load this page again: a request is here ",
               "some seconds after its answer.")  # fmt: skip
    command = tag("pre", f"sluice monitor {graph}")
    return section("empty", "Nothing has been counted yet", lead, command, ask)


def _footer(look: Look) -> Html:
    data = tag("a", "the same numbers as JSON", href="/dashboard/data.json" + look.address(every=0))
    every = 0 if look.every else 10
    words = "stop asking again" if look.every else "ask again every 10 seconds"
    again = tag("a", words, href="/dashboard" + look.address(every=every))
    return joined(["Times are UTC. ", data, " · ", again])
