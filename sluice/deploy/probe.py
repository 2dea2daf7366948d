"""What a version that was deployed says for itself: whether it is ready, answers right, fails."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any, NamedTuple

import orjson

from sluice.deploy.rollout import Errors
from sluice.errors import StoreUnavailable, VersionRefused
from sluice.models.golden import Golden
from sluice.models.manifest import Manifest
from sluice.models.store import ModelStore
from sluice.replay import GOLDEN_FILE

TOLERANCE = 1e-6
_REQUESTS = re.compile(r'^sluice_requests_total\{[^}]*status="(\d+)"[^}]*\} (\S+)', re.M)


class Said(NamedTuple):
    """An HTTP reply."""

    status: int
    body: bytes


Ask = Callable[[str, str, bytes | None, Mapping[str, str]], Said]


def over_http(url: str, timeout_s: float = 10.0, key: str = "") -> Ask:
    """Asks (method, path, body, headers) of a URL, with an API key where one is given.

    Raises StoreUnavailable when there is no answer.
    """
    known = {"X-API-Key": key} if key else {}

    def ask(method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Said:
        request = urllib.request.Request(url + path, body, {**known, **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as reply:
                return Said(reply.status, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Said(error.code, error.read())
        except (OSError, HTTPException) as error:
            raise StoreUnavailable(f"{url}: {error}") from None

    return ask


class Probe:
    """Asks one deployed version of a graph.

    Args:
        ask: how it is reached, it alone.
        graph: its name.
        models: where the golden requests are.
    """

    def __init__(self, ask: Ask, graph: str, models: ModelStore) -> None:
        self._ask, self._graph, self._models = ask, graph, models

    def waiting_for(self, version: str = "") -> str:
        """What keeps it, or one model version, from being ready; empty when nothing does."""
        path = f"/v2/models/{self._graph}/versions/{version}" if version else "/v2/health"
        try:
            said = self._ask("GET", f"{path}/ready", None, {})
        except StoreUnavailable as error:
            return str(error)
        return "" if said.status == 200 else f"{said.status} {text_of(said)}"

    def versions(self) -> dict[str, str]:
        """The model versions that it serves, by alias. Raises StoreUnavailable."""
        said = self._ask("GET", "/v2/health/ready", None, {})
        if said.status != 200:
            raise StoreUnavailable(f"not ready: {said.status} {text_of(said)}")
        versions: dict[str, str] = orjson.loads(said.body)["versions"]
        return versions

    def golden(self) -> list[str]:
        """What differs from the golden answers of each version that is served."""
        return [
            line for number in sorted(set(self.versions().values())) for line in self.wrong(number)
        ]

    def wrong(self, number: str) -> list[str]:
        """What differs from the golden answers of one model version, a line each."""
        stored = self._models.read(self._graph, number)
        if GOLDEN_FILE not in stored.files:
            raise VersionRefused(self._graph, number, GOLDEN_FILE, "is not in the version")
        golden = Golden.load(stored.files[GOLDEN_FILE])
        answers: list[Any] = []
        for case in golden.cases:
            output = self._output(number, case.record, case.event_time)
            if isinstance(output, str):
                return [f"version {number}: request {len(answers)}: {output}"]
            answers.append(_scores(output, stored.manifest))
        if any("online" in declared for declared in stored.manifest.definitions.values()):
            return []  # another store's features were others when the answers were given
        tolerance = _tolerance(golden, stored.manifest)
        return [f"version {number}: {line}" for line in golden.compare(answers, tolerance)]

    def errors(self) -> Errors:
        """Its requests so far. Raises StoreUnavailable."""
        said = self._ask("GET", "/metrics", None, {})
        if said.status != 200:
            raise StoreUnavailable(f"/metrics: {said.status} {text_of(said)}")
        counts = [(int(s), float(n)) for s, n in _REQUESTS.findall(said.body.decode())]
        failed = sum(n for status, n in counts if status >= 500)
        return Errors(round(failed), round(sum(n for _, n in counts)))

    def _output(self, number: str, record: Any, when: float | None) -> dict[str, Any] | str:
        """The output for one record by one version, or why there is none."""
        headers = {"Content-Type": "application/json"}
        if when:  # versions of graphs without an as-of function hold 0
            headers["X-Event-Time"] = repr(when)
        path = f"/v2/models/{self._graph}/versions/{number}/infer"
        said = self._ask("POST", path, orjson.dumps({"inputs": [record]}), headers)
        if said.status != 200:
            return f"{said.status} {text_of(said)}"
        (output,) = orjson.loads(said.body)["outputs"]
        return output if "error" not in output else str(output["error"])


def text_of(said: Said) -> str:
    """What an error says, or the beginning of what is no error of ours."""
    try:
        return str(orjson.loads(said.body)["error"])
    except (ValueError, KeyError, TypeError):
        return said.body[:200].decode(errors="replace")


def _scores(output: Mapping[str, Any], manifest: Manifest) -> Any:
    """A version's scores out of what it answered."""
    if manifest.task == "tensors":
        return _flat([output.get(name) for name in manifest.outputs])
    if "probabilities" in output:
        return [output["probabilities"].get(str(c)) for c in manifest.classes]
    return [output["probability"] if "probability" in output else output.get("prediction")]


def _flat(value: Any) -> list[Any]:
    """The values in nested lists, one after the other."""
    return [v for part in value for v in _flat(part)] if isinstance(value, list) else [value]


def _tolerance(golden: Golden, manifest: Manifest) -> float:
    """As in the parity gate: what is predicted may differ by so much of the largest."""
    if manifest.task == "classification":
        return TOLERANCE
    numbers = [s for case in golden.cases for s in case.expected if not isinstance(s, str)]
    largest: float = max([1.0, *map(abs, numbers)])
    return TOLERANCE * largest
