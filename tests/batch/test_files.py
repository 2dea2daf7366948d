"""From file to file: all formats, resumed after kills, to and from S3."""

from __future__ import annotations

import csv
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from sluice.batch import files
from sluice.batch.files import Counts, answer_apart, run
from sluice.batch.parts import FORMAT, Parts
from sluice.errors import DeclarationError, RequestError, SluiceError, StoreUnavailable
from sluice.service import Service
from tests.tiny import ORDER, Tiny

CRASHES = int(os.environ.get("CRASHES", "5"))
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def service(tiny: Tiny) -> Iterator[Service]:
    with tiny.service("binary") as opened:
        yield opened


def orders(n: int) -> list[dict[str, Any]]:
    return [
        {**ORDER, "id": f"order {i}", "city": ["Bonn", "Ñandú", "Aden"][i % 3], "visits": i % 9}
        for i in range(n)
    ]


def write_csv(file: Path, rows: list[dict[str, Any]]) -> Path:
    opener: Any = gzip.open if file.suffix == ".gz" else open
    with opener(file, "wt", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def write_parquet(file: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=7)
    return file


def answers(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def expected(service: Service, rows: list[dict[str, Any]], name: str = "id") -> list[Any]:
    """The rows of an output, by the online path."""
    found = []
    for place, output in enumerate(service.predict(rows)):
        defaults = output.get("defaults")
        error = output.get("error")
        found.append(
            {
                name: rows[place].get("id", place),
                "probability": output.get("probability"),
                "label": output.get("label"),
                "error": error,
                "version": None if error else "2",
                "defaults": defaults and json.dumps(defaults, separators=(",", ":")),
            }
        )
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def go(service: Service, file: Path, output: Path, **options: Any) -> Counts:
    return run(service, str(file), str(output), progress=False, **options)


@pytest.mark.parametrize("name", ["orders.csv", "orders.csv.gz", "orders.parquet"])
def test_every_format_is_answered_as_online(service: Service, tmp_path: Path, name: str) -> None:
    rows = orders(50)
    rows[3] |= {"visits": None, "member": None}
    rows[30]["city"] = None
    write = write_parquet if name.endswith("parquet") else write_csv
    file, output = write(tmp_path / name, rows), tmp_path / "answers.parquet"
    assert go(service, file, output, chunk=16) == Counts(50, 0, 0)
    assert answers(output) == expected(service, rows)
    assert names(tmp_path) == ["answers.parquet", name]


def test_a_cell_that_does_not_fit_is_an_error_of_its_row(service: Service, tmp_path: Path) -> None:
    rows = orders(9)
    for row, name, cell in ((1, "amount", "much"), (2, "visits", "1.5"), (3, "member", "ja"),
                            (4, "time", "soon"), (5, "amount", "1e9"), (6, "visits", "3.0"),
                            (7, "member", "FALSE"), (8, "amount", "nan")):  # fmt: skip
        rows[row][name] = cell
    file, output = write_csv(tmp_path / "orders.csv", rows), tmp_path / "answers.parquet"
    assert go(service, file, output, chunk=4) == Counts(9, 5, 0)
    meant = [dict(row) for row in rows]
    meant[5]["amount"], meant[6]["visits"], meant[7]["member"] = 1e9, 3.0, False
    meant[2]["visits"], meant[8]["amount"] = 1.5, None
    assert answers(output) == expected(service, meant)
    assert answers(output)[1]["error"] == "amount: expected a number, found 'much'"


def test_rows_are_numbered_where_nothing_names_them(service: Service, tmp_path: Path) -> None:
    rows = [{k: v for k, v in row.items() if k != "id"} for row in orders(10)]
    file, output = write_parquet(tmp_path / "orders.parquet", rows), tmp_path / "answers.parquet"
    go(service, file, output, chunk=4)
    assert answers(output) == expected(service, rows, "row")
    keyed = [{**row, "order": f"o{n}"} for n, row in enumerate(rows)]
    keyed[2]["order"] = None
    go(service, write_parquet(file, keyed), output, key="order")
    assert [row["order"] for row in answers(output)] == [row["order"] for row in keyed]


def test_what_is_wrong_with_a_file_is_named(service: Service, tmp_path: Path) -> None:
    rows, output = orders(3), tmp_path / "answers.parquet"
    short = write_csv(tmp_path / "short.csv", [{"ciyt": "Bonn", "time": ORDER["time"]}])
    ragged = tmp_path / "ragged.csv"
    ragged.write_text(f"city,time\nBonn,{ORDER['time']}\nBonn\n")
    twice = tmp_path / "twice.csv"
    twice.write_text("city,time,city\n")
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1 not really")
    good = write_csv(tmp_path / "good.csv", rows)
    empty = tmp_path / "empty.csv"
    empty.touch()
    for file, wrong in (
        (short, r"short\.csv: column city: is missing \(did you mean 'ciyt'"),
        (ragged, r"ragged\.csv: .*Expected 2 columns, got 1"),
        (twice, r"twice\.csv: column city: is there more than once"),
        (damaged, r"damaged\.parquet: is no Parquet"),
        (empty, r"empty\.csv: is empty"),
        (tmp_path / "gone.csv", r"gone\.csv: No such file"),
        (tmp_path / "orders.txt", r"orders\.txt: No such file"),
        (write_csv(tmp_path / "orders.json", rows), r"is not a kind of file that is read \(\.csv"),
    ):
        with pytest.raises(DeclarationError, match=wrong):
            go(service, file, output)
    with pytest.raises(DeclarationError, match=r"column order: is missing"):
        go(service, good, output, key="order")
    with pytest.raises(DeclarationError, match=r"name it \.parquet"):
        go(service, good, tmp_path / "answers.csv")
    with pytest.raises(SluiceError, match="expected at least 1"):
        go(service, good, output, chunk=0)
    with pytest.raises(DeclarationError, match="no files of kind 'gs'"):
        run(service, "gs://bucket/orders.csv", str(output))
    assert not output.exists()


def test_a_file_without_rows_has_an_output_without_rows(service: Service, tmp_path: Path) -> None:
    file, output = tmp_path / "none.csv", tmp_path / "answers.parquet"
    file.write_text("city,time\n")
    assert go(service, file, output) == Counts()
    assert answers(output) == []


class Stopping(Service):
    """A service that stops after some chunks, as if it was killed there."""

    def __init__(self, service: Service, after: int) -> None:
        super().__init__(service.graph, service.application)
        graph, left = service.graph, [after]

        class Graph:
            takes_tables = True

            def run_table(self, block: Any) -> Any:
                if not left[0]:
                    raise StoreUnavailable("away")
                left[0] -= 1
                return graph.run_table(block)

        self.graph = Graph()  # type: ignore[assignment]


def test_a_job_goes_on_where_it_ended(service: Service, tmp_path: Path) -> None:
    rows, output = orders(30), tmp_path / "answers.parquet"
    file = write_csv(tmp_path / "orders.csv", rows)
    for resumed in (0, 2):
        with pytest.raises(StoreUnavailable):
            go(Stopping(service, 2 - resumed), file, output, chunk=4)
        assert not output.exists()
    assert go(Stopping(service, 6), file, output, chunk=4) == Counts(30, 0, 8)
    assert answers(output) == expected(service, rows)
    for change in ("chunk", "input", "resume"):
        with pytest.raises(StoreUnavailable):
            go(Stopping(service, 3), file, output, chunk=4)
        chunk, resume = 5 if change == "chunk" else 4, change != "resume"
        if change == "input":
            rows.append({**rows[0], "id": "one more"})
            write_csv(file, rows)
        assert go(service, file, output, chunk=chunk, resume=resume).resumed == 0
        assert answers(output) == expected(service, rows)


def test_two_jobs_do_not_write_one_output(service: Service, tmp_path: Path) -> None:
    file, output = write_csv(tmp_path / "orders.csv", orders(3)), tmp_path / "answers.parquet"
    other = Parts(tmp_path / "answers.parquet.parts", {}, resume=True)
    with pytest.raises(SluiceError, match="another job is writing this output"):
        go(service, file, output)
    other.close()
    manifest = tmp_path / "answers.parquet.parts" / "manifest.json"
    manifest.write_text(json.dumps({"format": FORMAT + 1}))
    with pytest.raises(DeclarationError, match=f"is {FORMAT + 1}.*use a newer one"):
        go(service, file, output)
    manifest.write_text('{"for')
    assert go(service, file, output).rows == 3


KILLED = """
import sys
from pathlib import Path
from sluice.batch.files import run
from tests.tiny import Tiny
with Tiny(Path(sys.argv[1])).service("binary") as service:
    print("ready", flush=True)
    print(run(service, sys.argv[2], sys.argv[3], chunk=20, progress=False).resumed, flush=True)
"""


def test_kills_at_any_moment_lose_and_repeat_nothing(
    service: Service, tiny: Tiny, tmp_path: Path
) -> None:
    rows, output = orders(2000), tmp_path / "answers.parquet"
    file = write_csv(tmp_path / "orders.csv", rows)
    wanted, chance = expected(service, rows), random.Random(3)
    parts = tmp_path / "answers.parquet.parts"
    command = [sys.executable, "-c", KILLED, str(tiny.root), str(file), str(output)]
    resumed = []
    for _ in range(CRASHES):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        enough = chance.randrange(0, 100)
        while process.poll() is None and len(list(parts.glob("part-*"))) < enough:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.01))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if output.exists():  # it was done, or nearly
            assert answers(output) == wanted
        resumed.append(go(service, file, output, chunk=20).resumed)
        assert answers(output) == wanted
        assert names(tmp_path) == ["answers.parquet", "orders.csv"]
        output.unlink()
    print(f"of {len(rows)} rows done before the kill: {resumed}")  # noqa: T201


def test_a_row_that_makes_the_graph_raise_fails_alone() -> None:
    def answer(rows: slice) -> pa.Table:
        if rows.start <= 7 < rows.stop:
            raise KeyError("seven")
        if rows.start <= 9 < rows.stop:
            raise RequestError("nine")
        n = rows.stop - rows.start
        return pa.table({"answer": range(rows.start, rows.stop), "error": pa.nulls(n, pa.string())})

    table = answer_apart(answer, 20)
    assert table["error"].to_pylist()[6:10] == [None, "KeyError: 'seven'", None, "nine"]
    assert table["answer"].to_pylist()[6:11] == [6, None, 8, None, 10]

    def broken(rows: slice) -> pa.Table:
        raise KeyError("all")

    with pytest.raises(SluiceError, match="100 records raise, the last KeyError"):
        answer_apart(broken, 5000)

    def away(rows: slice) -> pa.Table:
        raise StoreUnavailable("gone")

    with pytest.raises(StoreUnavailable):
        answer_apart(away, 2)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server with the S3 API, with a bucket `orders`."""
    os.environ.update(
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION="us-east-1"
    )
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="orders")
    yield endpoint
    server.stop()


def test_from_s3_to_s3(service: Service, s3: str, tmp_path: Path) -> None:
    client = boto3.client("s3", endpoint_url=s3)
    rows = orders(30)
    client.upload_file(str(write_csv(tmp_path / "here.csv", rows)), "orders", "in/orders.csv")
    source, target, state = "s3://orders/in/orders.csv", "s3://orders/out.parquet", tmp_path / "s"
    options: dict[str, Any] = {"chunk": 4, "endpoint": s3, "state": state, "progress": False}
    with pytest.raises(StoreUnavailable):
        run(Stopping(service, 2), source, target, **options)
    assert run(service, source, target, **options) == Counts(30, 0, 8)
    client.download_file("orders", "out.parquet", str(tmp_path / "out.parquet"))
    assert answers(tmp_path / "out.parquet") == expected(service, rows)
    assert names(state) == []
    with pytest.raises(DeclarationError, match=r"s3://orders/gone\.csv.*Not Found"):
        run(service, "s3://orders/gone.csv", target, **options)
    with pytest.raises(DeclarationError, match="names no object"):
        run(service, "s3://orders", target, **options)
    with pytest.raises(StoreUnavailable, match="Could not connect"):
        run(service, source, target, **{**options, "endpoint": "http://127.0.0.1:1"})


def test_the_size_of_a_chunk_changes_no_answer(service: Service, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "orders.csv", orders(100))
    outputs = []
    for chunk in (1, 7, files.CHUNK):
        go(service, file, tmp_path / "answers.parquet", chunk=chunk)
        outputs.append(answers(tmp_path / "answers.parquet"))
    assert outputs[0] == outputs[1] == outputs[2]
