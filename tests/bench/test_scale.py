"""Curves and their laws against costs that are known."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.plot import draw
from bench.scale import CURVES, cpu_us, fit, name_of, points
from bench.tables import density, scaling

FIGURES = {
    **{name_of(name, n): 20 + 3.0 * n for name in list(CURVES)[:-1] for n in (1, 4, 16, 64)},
    **{name_of("keys", 10**n): 5 + 2.0 * n for n in (3, 4, 5, 6)},
    **{f"scaling_workers_{n}_{what}": 100.0 * n for n in (1, 2) for what in ("rps", "cpu_us")},
    "scaling_steps_each_us": 3.0,
}


def test_the_points_of_a_curve_are_found_among_the_figures_of_a_run() -> None:
    assert points(FIGURES, "steps") == {1: 23.0, 4: 32.0, 16: 68.0, 64: 212.0}
    assert points(FIGURES, "workers") == {}


def test_a_law_is_what_the_costs_were_made_by() -> None:
    law = fit(CURVES["steps"], points(FIGURES, "steps"))
    assert (law.fixed, law.each) == pytest.approx((20, 3))
    assert law.worst == pytest.approx(0, abs=1e-9)
    of_keys = fit(CURVES["keys"], points(FIGURES, "keys"))
    assert (of_keys.fixed, of_keys.each) == pytest.approx((11, 2)), "at the first, by tenfold"


def test_how_far_a_law_is_off() -> None:
    law = fit(CURVES["steps"], {1: 1.0, 2: 2.0, 3: 4.0})
    off = [abs(law.at(n, CURVES["steps"]) / cost - 1) for n, cost in ((1, 1), (2, 2), (3, 4))]
    assert law.worst == pytest.approx(max(off))
    assert law.worst > 0


def test_the_cost_of_a_call_is_that_of_many() -> None:
    now = [0.0]

    def call() -> None:
        now[0] += 0.004

    assert cpu_us(call, 0.1, lambda: now[0]) == pytest.approx(4000)
    assert cpu_us(call, 0.0, lambda: now[0]) == pytest.approx(4000), "once at least"


def test_the_picture_is_drawn_and_the_tables_say_every_curve(tmp_path: Path) -> None:
    draw(FIGURES, tmp_path / "made" / "scaling.png")
    assert (tmp_path / "made" / "scaling.png").read_bytes()[:4] == b"\x89PNG"
    text = scaling(FIGURES)
    assert all(curve.what in text for curve in CURVES.values())
    assert "× 2.00 the requests" in text


def test_the_table_of_many_models() -> None:
    fields = ("private_mb", "cpu_us", "load_s", "reload_s")
    kinds = ("one", "shared", "own", "shared_idle", "own_idle")
    figures = {f"density_{kind}_{what}": 1.5 for kind in kinds for what in fields}
    assert len(density(figures).splitlines()) == 2 + len(kinds)
