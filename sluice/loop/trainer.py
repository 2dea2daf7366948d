"""What trains for the loop: the project's jobs, by whichever way they are run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from sluice.errors import SluiceError

Jobs = Callable[..., dict[str, Any]]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to train, and what to compare it with.

    Attributes:
        window: arguments of the training's requests.
        since: requests from then on (epoch s) are held back to compare by.
        rows: so many of them must be there.
        against: versions to compare with; of what is new to them half is held back, at most.
        candidates: which to fit; empty: all.
        tag: goes into the manifests; what has it already is not fitted again.
    """

    window: dict[str, Any] = {}
    since: float = 0.0
    rows: int = 1
    against: list[str] = []
    candidates: list[str] = []
    tag: str = ""


class Trained(msgspec.Struct, frozen=True):
    """What came of an order.

    Attributes:
        best: the version that did best by `metric`.
        metric: what the training compares candidates by.
        versions: by candidate.
        scores: metrics on the requests held back, by version; those of `against` too.
        rows, held: requests, and those of them that were held back.
        since: from when on they were.
    """

    best: str
    metric: str
    versions: dict[str, str]
    scores: dict[str, dict[str, float]]
    rows: int
    held: int
    since: float


class Trainer(Protocol):
    """Trains, and checks what it made. A process that was killed asks again for the same."""

    def train(self, order: Order) -> Trained:
        """Fit, compare and log. With a tag that it has worked on before, it goes on from there.

        Raises StoreUnavailable where trying again may help, SluiceError where it does not.
        """

    def check(self, version: str) -> Any:
        """Parity and golden requests: the evidence. Raises GateFailed."""


class JobTrainer:
    """Trains by the jobs `retrain` and `gate` of the project.

    Args:
        jobs: `jobs(name, **params)` runs one and gives its results.
        graph: whose models.
    """

    def __init__(self, jobs: Jobs, graph: str) -> None:
        self._jobs, self._graph = jobs, graph

    def train(self, order: Order) -> Trained:
        """The job `retrain`."""
        return msgspec.convert(self._run("retrain", order=msgspec.to_builtins(order)), Trained)

    def check(self, version: str) -> Any:
        """The job `gate`."""
        return self._run("gate", version=version)

    def _run(self, job: str, **params: Any) -> dict[str, Any]:
        try:
            return self._jobs(job, graph=self._graph, **params)
        except RuntimeError as error:  # MLRun tells of a job that failed by its text alone
            raise SluiceError(f"{job}: {error}") from error
