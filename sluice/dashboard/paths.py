"""How the HTTP surface comes to the dashboard: by path, importing nothing before it is asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from sluice.project import Project
from sluice.protocol.http import Answer, Request

if TYPE_CHECKING:
    from sluice.dashboard.dashboard import Dashboard

PAGE, DATA = "/dashboard", "/dashboard/data.json"


def paths(project: Project, graph: str) -> dict[str, dict[str, Callable[[Request], Answer]]]:
    """The methods of the dashboard's paths. It reads what is on this machine alone: a worker that
    answers requests must not wait for a store or a broker here."""

    @cache
    def opened() -> Dashboard:
        from sluice.dashboard.dashboard import Dashboard

        return Dashboard(project, graph, far=False)

    return {
        PAGE: {"GET": lambda request: opened().page(request.query)},
        DATA: {"GET": lambda request: opened().data(request.query)},
    }
