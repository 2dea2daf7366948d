"""Answers with a graph's dashboard: the page, or its numbers as JSON.

Both are made of one document, and each look at it is kept for some seconds, page and all, so that
a page that many have open, or that asks again by itself, costs what one costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from sluice.dashboard.around import Place
from sluice.dashboard.document import Maker
from sluice.dashboard.features import References
from sluice.dashboard.look import Look
from sluice.dashboard.page import POLICY, page
from sluice.features.definitions import read_definitions
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.protocol.http import Answer, dumps
from sluice.service import read_spec
from sluice.stores import model_store

KEPT_S = 5.0
_LOOKS, _PAGES = 8, 2
_SAFE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class _Kept(NamedTuple):
    """A look: when it was made, its document, and its pages, by how often they ask again."""

    when: float
    document: dict[str, Any]
    pages: dict[int, bytes]


class Dashboard:
    """The dashboard of a graph.

    Args:
        project, graph: whose.
        far: whether it asks stores and brokers of other machines, which may take its time.
        clock: monotonic seconds.

    Raises DeclarationError where there is no such graph, or its declaration is wrong.
    """

    def __init__(
        self,
        project: Project,
        graph: str,
        *,
        far: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        spec, models = read_spec(project, graph), model_store(project)
        parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        place = Place(project, graph, spec, parameters, models, far)
        record = read_definitions(project.root / parameters.features, project.root).record
        moments = {field.name for field in record.fields if field.type == "timestamp"}
        self._maker = Maker(place, References(models, graph, moments))
        self._clock = clock
        self._kept: dict[Look, _Kept] = {}

    def page(self, query: Mapping[str, str]) -> Answer:
        """The page. Raises RequestError, StoreUnavailable."""
        look = Look.read(query)
        headers = {**_SAFE, "Content-Security-Policy": POLICY}
        if look.every:
            headers["Refresh"] = str(look.every)
        made = self._made(look)
        if look.every not in made.pages:
            if len(made.pages) == _PAGES:
                made.pages.clear()
            made.pages[look.every] = page(made.document, look).encode()
        return Answer(200, made.pages[look.every], headers, "text/html; charset=utf-8")

    def data(self, query: Mapping[str, str]) -> Answer:
        """Its numbers. Raises RequestError, StoreUnavailable."""
        return Answer(200, dumps(self.document(Look.read(query))), _SAFE)

    def document(self, look: Look) -> dict[str, Any]:
        """The numbers of a look."""
        return self._made(look).document

    def _made(self, look: Look) -> _Kept:
        asked = look._replace(every=0)
        now = self._clock()
        self._kept = {k: v for k, v in self._kept.items() if now - v.when < KEPT_S}
        if asked not in self._kept:
            # As the JSON has it: what is no number is null there, so it is none on the page too.
            made = orjson.loads(dumps(self._maker.make(asked)))
            if len(self._kept) == _LOOKS:
                self._kept.clear()
            self._kept[asked] = _Kept(now, made, {})
        return self._kept[asked]
