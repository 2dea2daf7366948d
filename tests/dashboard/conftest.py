"""A graph after some busy days, and its dashboard; for looking at."""

from __future__ import annotations

import pytest

from sluice.dashboard.dashboard import Dashboard
from tests.dashboard.world import DECLARED, dashboard, fill
from tests.tiny import Tiny
from tests.windows.world import World


@pytest.fixture(scope="session")
def busy(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tiny.copy(tmp_path_factory.mktemp("busy") / "shop"), "binary", DECLARED)
    fill(world)
    return world


@pytest.fixture
def board(busy: World) -> Dashboard:
    return dashboard(busy)
