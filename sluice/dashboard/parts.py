"""Sections of the page, all but those of quality.py.

Each makes a section's content of a document, or None where there is nothing to tell.
"""

from __future__ import annotations

from typing import Any

from sluice.dashboard import charts
from sluice.dashboard.charts import Series
from sluice.dashboard.figures import Figures, Form
from sluice.dashboard.forms import chance, clock, count, minute, rate, seconds, share, stamp, text
from sluice.dashboard.forms import figure as number
from sluice.dashboard.html import Html, joined, tag
from sluice.dashboard.look import Look
from sluice.dashboard.tables import facts, figure, multiples, note, table, words

_TIMES: list[tuple[Form, str]] = [(seconds, "p50_s"), (seconds, "p95_s"), (seconds, "p99_s")]
_TIME_HEAD = ("50 %", "95 %", "99 %")


def alerts(figures: Figures, _: Look) -> Html | None:
    """Incidents: the open ones, then those that closed last."""
    document = figures.at()
    found = document.get("alerts")
    if not found:
        return away(document, "alerts")
    if not found["incidents"]:
        return note("There has been no incident.")
    told = [_incident(figures, i, one) for i, one in enumerate(found["incidents"])]
    lead = None if found["open"] else note("No incident is open. These were:")
    return joined([lead, tag("ol", *told, class_="told")])


def _incident(figures: Figures, place: int, incident: Any) -> Html:
    """What is wrong, since when, and why that is said. Its number is that of its mark in charts."""
    at = ("alerts", "incidents", place)
    about = [incident["condition"], incident["subject"]]
    about += [f"version {incident['version']}"] if incident["version"] else []
    about += [incident["segment"]] if incident["segment"] else []
    severity = incident["severity"]
    said: list[str | None] = [
        tag("strong", ", ".join(about), class_=None if severity == "info" else "bad"),
        f" – {severity}, since ",
        figures.show(minute, *at, "since"),
    ]
    if incident["closed"] is not None:
        said += [", over ", figures.show(minute, *at, "closed"), f" ({incident['ended']})"]
    said += [f". {incident['why']}, against {incident['against']}. Value ",
               figures.show(number, *at, "value")]  # fmt: skip
    if incident["usual"] is not None:
        said += [", usually ", figures.show(number, *at, "usual")]
    return tag("li", *said, ".", id=f"incident-{incident['id']}")


def traffic(figures: Figures, _: Look) -> Html | None:
    """Requests over time, their times, and what failed."""
    document = figures.at()
    if "traffic" not in document:
        return None
    shown = facts(
        [
            ("requests", figures.show(count, "traffic", "requests")),
            ("per minute, latest window", figures.show(rate, "traffic", "per_minute")),
            ("records answered", figures.show(count, "traffic", "answered")),
            ("records not answered", figures.show(count, "traffic", "refused")),
        ]
    )
    return joined([shown, multiples([_requests(figures), _times(figures), _errors(figures)])])


def _windows(figures: Figures) -> Html:
    columns: list[tuple[Form, str]] = [(count, "requests"), (count, "failed"), *_TIMES]
    rows = [
        [figures.show(minute, *at, "start"), *figures.row(at, columns)]
        for i in range(len(figures.at("traffic", "windows")))
        for at in [("traffic", "windows", i)]
    ]
    return table("Windows, UTC", ("from", "requests", "failed", *_TIME_HEAD), rows)


def _requests(figures: Figures) -> Html:
    windows = figures.at("traffic", "windows")
    rows = [(w["start"], w["requests"], w["failed"]) for w in windows]
    width = windows[0]["end"] - windows[0]["start"]
    label = f"Requests in {len(rows)} windows, at most {count(max(r[1] for r in rows))} in one"
    chart = charts.bars(label, rows, width, (clock, count))
    failed = sum(r[2] for r in rows)
    note_ = f"{count(failed)} failed, dark at the foot of a bar" if failed else "none failed"
    return figure("Requests", chart, _windows(figures), note_)


def _times(figures: Figures) -> Html:
    windows = figures.at("traffic", "windows")
    series = [
        Series(name, [(w["start"], w[key]) for w in windows if w[key] is not None])
        for name, (_, key) in zip(_TIME_HEAD, _TIMES, strict=True)
    ]
    said = ", ".join(f"{n} up to {seconds(s.points[-1][1])}" for n, s in
                     zip(_TIME_HEAD, series, strict=True) if s.points)  # fmt: skip
    chart = charts.lines(
        f"Times of requests; last: {said}", series[::-1], (clock, seconds), floor=0
    )
    return figure("Time of a request", chart, _windows(figures), "so many of them took up to")


def _errors(figures: Figures) -> Html:
    rows = [
        figures.row(("errors", i), [(str, "status"), (count, "requests"), (share, "share")])
        for i in range(len(figures.at("errors")))
    ]
    if not rows:
        return tag("div", tag("h3", "Errors"), note("No request failed."))
    whole = table("Requests that failed, by HTTP status", ("status", "requests", "share"), rows)
    return tag("div", tag("h3", "Errors"), whole)


def steps(figures: Figures, _: Look) -> Html | None:
    """The graph: each step with how often it runs and how long that takes."""
    if "steps" not in figures.at():
        return None
    found = figures.at("steps")
    lines: dict[str, list[Html]] = {}
    for place, step in enumerate(found):
        lines.setdefault(step["instead_of"], []).append(_box(figures, place, step))
    flows: list[Html] = []
    for of, boxes in lines.items():
        if of:
            flows.append(tag("h3", f"When {of} fails"))
        flows.append(tag("ol", *boxes, class_="flow"))
    columns: list[tuple[Form, str]] = [(count, "runs"), (rate, "per_minute"), *_TIMES]
    rows = [[s["name"], *figures.row(("steps", i), columns)] for i, s in enumerate(found)]
    head = ("step", "runs", "per minute", *_TIME_HEAD)
    return joined([*flows, table("Times of steps: so many runs took up to", head, rows)])


def _box(figures: Figures, place: int, step: Any) -> Html:
    return tag(
        "li",
        tag("strong", step["name"]),
        tag("span", step["kind"]) if step["kind"].lower() != step["name"].lower() else None,
        tag("span", figures.show(rate, "steps", place, "per_minute"), " a minute"),
        tag("span", figures.show(seconds, "steps", place, "p50_s"), ", 99 % ",
            figures.show(seconds, "steps", place, "p99_s")),
        tag("span", f"on error: {step['on_error']}") if step["on_error"] else None,
    )  # fmt: skip


def versions(figures: Figures, _: Look) -> Html | None:
    """Who answers, where aliases point, and how they moved."""
    document = figures.at()
    made: list[Html] = []
    for name, caption, head in (
        ("aliases", "Aliases", ("alias", "version", "since", "by")),
        ("moves", "Moves of aliases", ("when", "what", "alias", "version", "before", "by")),
    ):
        if rows := document.get(name):
            made.append(words(caption, head, [[_said(v) for v in r.items()] for r in rows]))
    if answered := document.get("traffic", {}).get("versions"):
        columns: list[tuple[Form, str]] = [
            (count, "requests"), (count, "records"), (share, "share"), *_TIMES,
        ]  # fmt: skip
        rows = [[f"version {v['version']}", *figures.row(("traffic", "versions", i), columns)]
                for i, v in enumerate(answered)]  # fmt: skip
        titles = ("", "requests", "records", "share", *_TIME_HEAD)
        made.insert(0, table("Who answered", titles, rows))
    return joined([*made, away(document, "aliases")]) if made else away(document, "aliases")


def _said(field: tuple[str, Any]) -> str:
    """A field of an alias or a move."""
    name, value = field
    return stamp(value) if name in ("at", "since") else str(value or "–")


def router(figures: Figures, _: Look) -> Html | None:
    """What the router chose, and what its policy has learnt."""
    document, made = figures.at(), []
    if document.get("routes"):
        rows = [
            [f"{r['policy']} {r['name']}",
             *figures.row(("routes", i), [(count, "records"), (share, "share")])]
            for i, r in enumerate(document["routes"])
        ]  # fmt: skip
        made.append(table("Records by choice", ("choice", "records", "share"), rows))
    if document.get("learning"):
        columns: list[tuple[Form, str]] = [
            (text, "version"), (count, "rewards"), (number, "mean"), (number, "error"),
            (share, "share"),
        ]  # fmt: skip
        rows = [
            [a["alias"], *figures.row(("learning", "arms", i), columns)]
            for i, a in enumerate(document["learning"]["arms"])
        ]
        head = ("arm", "version", "rewards", "mean reward", "standard error", "share now")
        made.append(table(f"What {document['learning']['policy']} has learnt", head, rows))
    return joined([*made, away(document, "learning")]) if made else away(document, "learning")


def canary(figures: Figures, _: Look) -> Html | None:
    """The last canary: its stage, what it is judged by, and what was decided."""
    document = figures.at()
    run = document.get("canary")
    if not run:
        return away(document, "canary")
    lead = note(
        f"Version {run['challenger']} against {run['champion']}: {run['state']}, stage ",
        figures.show(count, "canary", "stage"), " of ", figures.show(count, "canary", "stages"),
        ", ", figures.show(share, "canary", "share"),
        f" of the traffic. Verdict: {run['action']}: {run['why']}.",
    )  # fmt: skip
    sides: list[tuple[Form, str]] = [(count, n) for n in ("requests", "failed", "slow", "labels")]
    by_side = [[s["side"], *figures.row(("canary", "sides", i), sides)]
               for i, s in enumerate(run["sides"])]  # fmt: skip
    weighed: list[tuple[Form, str]] = [(number, "margin"), (_evidence, "e"), (number, "alarm_at")]
    compared = [[c["what"], *figures.row(("canary", "compared", i), weighed)]
                for i, c in enumerate(run["compared"])]  # fmt: skip
    decided = [[stamp(d["at"]), d["action"], d["why"], d["by"]] for d in run["decisions"]]
    return joined(
        [
            lead,
            table("Its two sides", ("", "requests", "failed", "slow", "labels"), by_side),
            table("Evidence against it", ("of", "margin", "e-value", "alarm at"), compared),
            words("Decisions", ("when", "what", "why", "by"), decided),
        ]
    )


def _evidence(value: float) -> str:
    return chance(value) if value < 0.01 else number(min(value, 1e9))


def defaults(figures: Figures, _: Look) -> Html | None:
    """Where defaults stood in for features, and how old features were."""
    document = figures.at()
    if "defaults" not in document:
        return None
    rows = [
        [d["feature"], d["reason"],
         *figures.row(("defaults", i), [(count, "records"), (share, "share")])]
        for i, d in enumerate(document["defaults"])
    ]  # fmt: skip
    head = ("feature", "why", "records", "of all")
    made = table("Defaults that stood in", head, rows) if rows else note("No default stood in.")
    ages = [[a["table"], *figures.row(("ages", i), _TIMES)]
            for i, a in enumerate(document["ages"])]  # fmt: skip
    caption = "Age of the oldest feature of a request, by table: so many were up to"
    return joined([made, table(caption, ("table", *_TIME_HEAD), ages) if ages else None])


def dead_letters(figures: Figures, _: Look) -> Html | None:
    """What could not be worked off."""
    document, made = figures.at(), []
    if "dead_letters" in document:
        made.append(("requests of the stream", figures.show(count, "dead_letters", "requests")))
        made.append(("of them put back", figures.show(count, "dead_letters", "replayed")))
    if "dead_letters" in document.get("counters", {}):
        shown = figures.show(count, "counters", "dead_letters")
        made.append(("events and labels that can't be read", shown))
    hint = note(
        "Each with its reason: ", tag("code", f"sluice dead-letters list {document['graph']}")
    )
    return joined([facts(made) if made else None, away(document, "dead_letters"), hint])


def away(document: Any, name: str) -> Html | None:
    """Why a part is not there, if there is a reason."""
    why = document["away"].get(name)
    return note(f"This {why}") if why else None
