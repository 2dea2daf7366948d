"""What a shadow costs the reply: requests at an even pace, with one and without."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from statistics import median
from typing import Any

from bench.numbers import percentile
from bench.paced import SLICE_S, slice_us
from bench.part import Bench, Figures
from bench.service import open_service
from sluice.live import CHAMPION
from sluice.service import Service

_SHADOW: dict[str, Any] = {"shadow": {"versions": [CHAMPION]}}


def shadow(bench: Bench) -> Figures:
    """The 99th percentile of a request with a shadow over the one without, round by round.

    They take turns within a round, by slices, so that what slows the machine slows both.
    Both graphs emit monitoring events; the shadow is the version that answers, asked once more.
    """
    found: dict[bool, list[float]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        services = {
            on: stack.enter_context(
                open_service({"router": _SHADOW} if on else {}, events=f"{folder}/{on}/events")
            )
            for on in found
        }
        for service in services.values():
            slice_us(service, bench.records)  # the shadow's process starts
        time.sleep(1.0)
        for _ in bench.turns("shadow", [None]):
            for on, taken in _round_us(services, bench).items():
                found[on].append(percentile(taken, 99))
        compared = services[True].application.shadow
        if compared is None or not compared.wait() or not compared.compared:
            raise ValueError("no request was compared with its shadow")
    pairs = zip(found[True], found[False], strict=True)
    return {
        "shadow_p99_ratio": median(with_one / without for with_one, without in pairs),
        "shadow_p99_us": median(found[True]),
        "no_shadow_p99_us": median(found[False]),
    }


def _round_us(services: Mapping[bool, Service], bench: Bench) -> dict[bool, list[float]]:
    """What each request took, µs, with a shadow and without, for `bench.seconds` each."""
    taken: dict[bool, list[float]] = {on: [] for on in services}
    for number in range(max(1, round(bench.seconds / SLICE_S))):
        for on in (False, True) if number % 2 else (True, False):
            taken[on] += slice_us(services[on], bench.records, number)
    return taken
