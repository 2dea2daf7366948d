"""How the HTTP surface comes to the dashboard: by path, importing nothing before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from sluice.project import Project
from sluice.protocol.http import Answer, Request

if TYPE_CHECKING:
    from sluice.dashboard.aside import Aside
    from sluice.dashboard.process import Process

PAGE, DATA = "/dashboard", "/dashboard/data.json"


def paths(project: Project, graph: str) -> dict[str, dict[str, Callable[[Request], Answer]]]:
    """The methods of the dashboard's paths. A process beside this one answers, so that predictions
    do not wait; of what is on this machine alone, so that it needs no store or broker."""

    @cache
    def aside() -> Aside:
        from sluice.dashboard.aside import Aside

        return Aside(partial(_started, project, graph))

    def answer(request: Request) -> Answer:
        return aside().answer(request)

    return {path: {"GET": answer} for path in (PAGE, DATA)}


def _started(project: Project, graph: str) -> Process:
    from sluice.dashboard.process import Process

    return Process(project, graph)
