"""The tiny project with an e-mail address in its requests, asked in every way that there is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from sluice.batch.database import Database
from sluice.batch.records import Entry, submit
from sluice.cli import main
from sluice.streams import Message, Record, Stream, open_stream
from tests.conftest import ROOT
from tests.serving import Client, _wait, free_port
from tests.tiny import ORDER, Tiny

EMAIL, PHONE = "ann.müller@example.org", "+49-228-5551234"
SALT = "a salt of 16 bytes, or more"
TOPICS = ("events", "feedback", "shadow", "requests", "predictions", "dead-letters")
STEPS = """
from functions.transform.function import Transform

class Raising(Transform):
    def do(self, body):
        self._look(body.records)
        return super().do(body)

    def do_table(self, block):
        self._look([block.frame.record(place) for place in range(len(block))])
        return super().do_table(block)

    def _look(self, records):
        for record in records:
            if isinstance(record, dict) and record.get("visits") == 8:
                raise LookupError(record["email"])
"""


def plant(shop: Tiny, redact: str) -> None:
    """Let records have an address; an order with eight visits makes the graph raise, quoting it."""
    fields = "  email: {type: string}\n  phone: {type: number}\nentities:"
    shop.edit("features.yaml", "entities:", fields)
    (shop.root / "plantedsteps.py").write_text(STEPS)
    step = "functions.transform.function.Transform"
    shop.edit("graphs/binary/graph.yaml", step, "plantedsteps.Raising")
    more = f"      redact: {redact}\n      training: tinyshop.binary"
    shop.edit("graphs/binary/graph.yaml", "      training: tinyshop.binary", more)


def environ(shop: Tiny) -> dict[str, str]:
    state = str(shop.root / ".sluice")
    return {"SLUICE_PROJECT": str(shop.root), "SLUICE_STATE": state, "SLUICE_SALT": SALT}


def orders(email: str = EMAIL) -> list[Any]:
    """Good, breaking the schema, raising: each with the address, and one that is no record."""
    good = {**ORDER, "email": email}
    return [
        good,
        {**good, "amount": "much"},
        {**good, "phone": PHONE},  # refused, and would be quoted
        {**good, "visits": 8},
        {**good, "email": {"address": email}},
    ]


@contextmanager
def served(shop: Tiny, log: Path) -> Iterator[Client]:
    """`sluice serve`, its log in a file."""
    port = free_port()
    command = [sys.executable, "-m", "sluice.cli", "serve", "binary", "--port", str(port)]
    own = {**os.environ, **environ(shop), "SLUICE_WORKERS": "1"}
    own["PYTHONPATH"] = os.pathsep.join([str(shop.root), str(ROOT)])
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=shop.root, env=own, stdout=file, stderr=file)
        client = Client(f"http://127.0.0.1:{port}")
        try:
            _wait(client, process)  # type: ignore[arg-type]
            yield client
        finally:
            process.terminate()
            process.wait(30)


def ask_over_http(client: Client, email: str = EMAIL) -> list[int]:
    """Alone, together, and as MLRun asks; the statuses."""
    all_ = orders(email)
    asked = [*all_, all_, {"inputs": all_}, email, {"inputs": [email]}]
    statuses = [client.post("/", body).status for body in asked]
    with_id = client.post("/", {**all_[0]}, {"x-request-id": "http-1"})
    feedback = client.post("/feedback", {"id": "http-1", "label": 1})
    return [*statuses, with_id.status, feedback.status]


def ask_on_the_stream(shop: Tiny, email: str = EMAIL) -> None:
    """Put requests on the topic, also what is no JSON, and work them off."""
    stream = open_stream(str(shop.root / ".sluice" / "stream.log"))
    bodies = [json.dumps(body, ensure_ascii=False).encode() for body in orders(email)]
    bodies += [f"{{{email}".encode(), json.dumps({"inputs": [[email]]}).encode()]
    messages = [Message(body, f"stream-{i}", {"x-user": email}) for i, body in enumerate(bodies)]
    stream.producer(durable=False).produce_many("tiny.binary.requests", messages)
    stream.close()
    assert main(["stream", "binary", "--once"]) == 0


def ask_in_batch(shop: Tiny, email: str = EMAIL) -> None:
    """Put records into the database, and work them off."""
    database = database_of(shop)
    submit(database, [Entry(f"batch-{i}", body) for i, body in enumerate(orders(email))])
    database.close()
    assert main(["batch", "binary"]) == 0


def database_of(shop: Tiny) -> Database:
    return Database(f"sqlite:///{shop.root / '.sluice' / 'batch.db'}", "tiny", "binary")


def rows_of(database: Database) -> list[Any]:
    """All rows of all tables."""
    tables = database.tables
    with database.read() as connection:
        found = [
            row for table in (tables.pending, tables.predictions)
            for row in connection.execute(select(table))
        ]  # fmt: skip
    database.close()
    return found


def records(stream: Stream, topic: str) -> list[Record]:
    consumer = stream.consumer(f"look.{topic}", [f"tiny.binary.{topic}"])
    found: list[Record] = []
    while batch := consumer.poll(1000, 0):
        found += batch
    consumer.close()
    return found


def telling(folder: Path, *texts: str) -> list[str]:
    """The files of a folder that have one of the texts, in any spelling of JSON."""
    spellings = [s for t in texts for s in (t.encode(), json.dumps(t)[1:-1].encode())]
    return sorted(
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(s in path.read_bytes() for s in spellings)
    )


@pytest.fixture
def planted(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The project, and this process as one of its commands."""
    plant(shop, "{email: hash, phone: drop}")
    for name, value in environ(shop).items():
        monkeypatch.setenv(name, value)
    return shop
