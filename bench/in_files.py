"""The batch pattern from file to file, in a process of its own: `python -m bench.in_files COMMAND`.

    ratio ROUNDS    by turns XGBoost's own predict on a ready matrix and the batch pattern on the
                    file that the matrix is of: rows per second each, by round
    memory ROWS     the batch pattern on a file of so many rows: the peak of its memory, MB

All of it on one core, the thread that writes monitoring events included, and XGBoost with one
thread. The answer is a line of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import work
from bench.part import check_same
from bench.prepare import GRAPH, bench_project
from sluice.service import Service

OUTPUT = work.FOLDER / "answers.parquet"
_LONG = work.FOLDER / "long.csv"
_LOOK_S = 0.02


def one_core() -> None:
    """Everything on one core; Arrow's own pools would only wait for it."""
    import pyarrow as pa

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def batch(service: Service, file: Path) -> int:
    """Answer a file; how many rows. Raises ValueError for one that has an error."""
    from sluice.batch.files import run

    counts = run(service, str(file), str(OUTPUT), resume=False, progress=False)
    if counts.failed:
        raise ValueError(f"{counts.failed} of {counts.rows} rows of {file} were not answered")
    return counts.rows


def matrix(service: Service, file: Path) -> Any:
    """The float32 matrix of a file's records, as the graph makes it."""
    import numpy as np

    from sluice.batch.block import Block
    from sluice.batch.enrich import Enriching
    from sluice.batch.frames import ArrowFrame
    from sluice.batch.readers import Reader

    application = service.application
    definitions, live = application.definitions, application.live()
    enriching = Enriching(definitions, application.features)
    transform, tables = live.champion.transform, []
    for table in Reader(file, str(file), definitions.record).chunks(50_000):
        block = Block(ArrowFrame(table, cells=True), None, np.zeros(len(table)))
        enriching(block, live)
        tables.append(transform.transform(block.columns)["features"])
    return np.concatenate(tables)


def ratio(rounds: int) -> dict[str, Any]:
    """By round rows per second and µs of CPU time per row; µs per row of each stage of batch."""
    import pyarrow.parquet as pq
    import xgboost

    booster: Any = xgboost.Booster()
    booster.load_model(work.BOOSTER)
    booster.set_param({"nthread": 1})
    found: dict[str, list[float]] = {"xgboost": [], "batch": [], "xgboost_cpu": [], "batch_cpu": []}
    with Service.open(bench_project(), GRAPH) as service:
        rows = matrix(service, work.FLIGHTS)
        batch(service, work.FLIGHTS)
        answers = pq.read_table(OUTPUT)["probability"].to_pylist()
        check_same("batch", answers, booster.inplace_predict(rows).tolist())
        for _ in range(rounds):
            for name, work_off in (
                ("xgboost", lambda: booster.inplace_predict(rows)),
                ("batch", lambda: batch(service, work.FLIGHTS)),
            ):
                began, used = time.perf_counter(), time.process_time()
                work_off()
                found[name].append(len(rows) / (time.perf_counter() - began))
                found[f"{name}_cpu"].append((time.process_time() - used) / len(rows) * 1e6)
        return {**found, "stages": stages(service), "dropped": dropped(service)}


def stages(service: Service) -> dict[str, float]:
    """What each stage takes of one chunk after the other, µs per row."""
    from sluice.batch.files import CHUNK
    from sluice.batch.frames import ArrowFrame
    from sluice.batch.parts import Parts
    from sluice.batch.readers import Reader
    from sluice.batch.scoring import score

    taken: dict[str, float] = defaultdict(float)
    count = 0
    reader = Reader(work.FLIGHTS, str(work.FLIGHTS), service.application.definitions.record)
    parts = Parts(work.FOLDER / "stages.parts", {}, resume=False)
    before = time.perf_counter()
    for number, table in enumerate(reader.chunks(CHUNK)):
        read = time.perf_counter()
        scored = score(service, ArrowFrame(table, cells=True))
        made = time.perf_counter()
        parts.write(number, scored.table(), 0)
        for name, us in {"read": (read - before) * 1e6, **scored.timings}.items():
            taken[name] += us
        taken["events"] += (made - read) * 1e6 - sum(scored.timings.values())
        before = time.perf_counter()
        taken["write"] += (before - made) * 1e6
        count += len(table)
    parts.merge(number + 1)
    taken["write"] += (time.perf_counter() - before) * 1e6
    parts.remove()
    parts.close()
    return {name: us / count for name, us in taken.items()}


def dropped(service: Service) -> int:
    """How many monitoring events did not fit into the buffer."""
    emitter = service.application.emitter
    return 0 if emitter is None else sum(emitter.dropped.values())


def memory(rows: int) -> dict[str, float]:
    """The peak of the memory that is the process's own, MB, over a file that repeats the flights.

    Pages of files that it maps (the store, the events) are not: the machine takes them back.
    """
    header, *lines = work.FLIGHTS.read_bytes().splitlines(keepends=True)
    with _LONG.open("wb") as file:
        file.write(header)
        for first in range(0, rows, len(lines)):
            file.writelines(lines[: rows - first])
    del header, lines
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_S):
            peak[0] = max(peak[0], own_mb())

    watching = threading.Thread(target=watch)
    watching.start()
    with Service.open(bench_project(), GRAPH) as service:
        count = batch(service, _LONG)
    ended.set()
    watching.join()
    _LONG.unlink()
    return {"rows": count, "peak_mb": peak[0]}


def own_mb() -> float:
    """The resident memory of this process that is no file's, 10⁶ bytes."""
    status = Path("/proc/self/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024 / 1e6


def main(command: str, number: str) -> None:
    """Answer one command."""
    one_core()
    answer = {"ratio": ratio, "memory": memory}[command](int(number))
    print(json.dumps(answer))  # noqa: T201 (the answer)
    OUTPUT.unlink()


if __name__ == "__main__":
    main(*sys.argv[1:])
