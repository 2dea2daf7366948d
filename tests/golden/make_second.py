"""Writes second.zip: what a Sluice with streams, batch, ledger and monitor made of first.zip.

It was made by the code of commit 332ee5d, the first that has all of them:

    git worktree add --detach OLD 332ee5d
    PYTHONPATH=OLD python tests/golden/make_second.py OUT.zip

In it are, beside what first.zip has: a version of its own; labels in the log of events, which is of
format 1 and was written on; a log of format 2 with requests, answers and dead letters; a batch
database; a ledger of rewards; the monitor's windows and the state of alerts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import zipfile
from pathlib import Path

from sluice.application import Application
from sluice.batch.database import open_database
from sluice.batch.records import Entry, submit
from sluice.cli import main as sluice
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.protocol.feedback import Feedback
from sluice.routing.ledger import Credit
from sluice.service import Service, read_spec
from sluice.stores import reward_ledger
from sluice.streams import Message, open_stream
from sluice.training.dataset import build_dataset
from sluice.training.fit import Fitting
from sluice.training.training import load_training

HERE = Path(__file__).parent
GRAPH = "late"
NOW = 1_704_067_200.0
RECORDS = [
    {"city": "Aden", "amount": 900.5, "time": "2024-01-01T12:30:00Z"},
    {"city": "Bonn", "amount": 12, "time": "2024-01-01T20:00:00Z"},
    {"city": "Cork", "amount": 5000, "time": "2024-01-02T06:00:00Z"},  # more than is allowed
]


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        zipfile.ZipFile(HERE / "first.zip").extractall(state)
        os.environ.update(SLUICE_PROJECT=str(HERE / "project"), SLUICE_STATE=folder)
        write(Project.find(), state)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            for file in sorted(state.rglob("*")):
                if file.is_file() and not file.name.endswith(("-lock", "lock.mdb", ".lock")):
                    packed.write(file, file.relative_to(state))


def train(project: Project) -> None:
    """A version of this Sluice's own: it refuses those of the first, as changed."""
    spec = read_spec(project, GRAPH)
    parameters = Parameters.parse(spec.parameters["sluice"], spec.file)
    application = Application.open(project, parameters)
    training = load_training(project, parameters)
    data = build_dataset(application.definitions, training, project.root, {})
    fitting = Fitting(training, application.definitions, data, 7)
    fitted = fitting.fit("trees", training.candidates(7)["trees"])
    number = application.models.log(GRAPH, fitted.draft, fitted.files)
    for alias in ("champion", "challenger"):
        application.models.promote(GRAPH, number, alias)
    application.close()


def write(project: Project, state: Path) -> None:
    train(project)
    bodies = [*map(json.dumps, RECORDS), "no JSON"]
    stream = open_stream(str(state / "stream.log"))
    requests = [Message(text.encode(), f"order-{n}") for n, text in enumerate(bodies)]
    stream.producer().produce_many(f"shop.{GRAPH}.requests", requests)
    stream.close()
    sluice(["stream", GRAPH, "--once"])
    database = open_database(project, GRAPH)
    submit(database, [Entry(f"order-{n}", record) for n, record in enumerate(RECORDS)])
    database.close()
    sluice(["batch", GRAPH])
    with Service.open(project, GRAPH) as service:
        live = service.application.live()
        Feedback.open(project, GRAPH).take([{"id": "order-0", "label": 1}], live, 10)
    sluice(["monitor", GRAPH, "--once"])
    ledger = reward_ledger(project, GRAPH, "golden")
    ledger.credit(Credit(7, ["order-0/0", "order-1/0"], {"n": 2, "sum": 1}), 1e9, NOW)
    ledger.keep({"note": b"kept"}, 1e9, NOW)
    ledger.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
