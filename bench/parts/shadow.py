"""What a shadow costs the reply: requests at an even pace, with one and without."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from statistics import median
from typing import Any

from bench.numbers import percentile
from bench.part import Bench, Figures
from bench.service import open_service
from sluice.live import CHAMPION
from sluice.message import Message
from sluice.service import Service

PER_SECOND = 200  # requests; between them a core is idle
_SHADOW: dict[str, Any] = {"shadow": {"versions": [CHAMPION]}}


def shadow(bench: Bench) -> Figures:
    """The 99th percentile of a request with a shadow over the one without, round by round.

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
        for on in bench.turns("shadow", [False, True]):
            found[on].append(_p99_us(services[on], bench))
        compared = services[True].application.shadow
        if compared is None or not compared.wait() or not compared.compared:
            raise ValueError("no request was compared with its shadow")
    pairs = zip(found[True], found[False], strict=True)
    return {
        "shadow_p99_ratio": median(with_one / without for with_one, without in pairs),
        "shadow_p99_us": median(found[True]),
        "no_shadow_p99_us": median(found[False]),
    }


def _p99_us(service: Service, bench: Bench) -> float:
    count, taken = max(100, int(PER_SECOND * bench.seconds)), []
    due = time.perf_counter()
    for number in range(count):
        due += 1 / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        message = Message([bench.records[number % len(bench.records)]])
        began = time.perf_counter()
        service.run(message)
        taken.append((time.perf_counter() - began) * 1e6)
    return percentile(taken, 99)
