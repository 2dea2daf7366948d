"""Models behind MLRun's model server classes: their own code loads them, and answers.

A version of this format (`mlrun`) runs code of the project, and most such classes unpickle what is
in the version: both only where servers.yaml declares it. Imports mlrun, from which these classes
derive.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from sluice.errors import SluiceError
from sluice.graph import Context, Event, Graph
from sluice.models.document import read_document
from sluice.models.manifest import Files, Manifest
from sluice.models.model import Input, Tensors, refused
from sluice.models.servers import Server, read_server
from sluice.models.unpacked import folder_for
from sluice.transform.inputs import tensor_name

FORMAT = 1
FILE = "server.json"
PREFIX = "served."  # of the model's own files among those of a version
_HINT = "features.yaml names no servers: without servers.yaml no code of a version's runs"


class Served(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a version says of its model server.

    server: its name in servers.yaml; path: the model's file, empty for the folder that all of them
    are in; answers: what an output is: a number, a label, or a probability for each class.
    """

    server: str
    path: str
    answers: Literal["number", "label", "probabilities"]
    format: int = FORMAT


class ServedModel:
    """An MLRun model server as a model: MLRun's `do_event` runs between load and postprocess.

    A server may keep something of a request (`self.metrics`), so one thread at a time asks it.

    Attributes:
        metrics: what the server has set by set_metric, the last value of each.
    """

    imports: tuple[str, ...] = ("mlrun",)
    inputs: tuple[Input, ...] = ()

    def __init__(self, manifest: Manifest, files: Files, servers: Path | None) -> None:
        if servers is None:
            raise refused(manifest, "runs code that is not declared", _HINT)
        try:
            self._told = read_document(files[FILE], Served, (FORMAT,))
            server = read_server(servers, self._told.server)
        except (ValueError, KeyError, SluiceError) as error:
            raise refused(manifest, str(error)) from error
        if self._told.path and PREFIX + self._told.path not in files:
            raise refused(manifest, f"{FILE} names {self._told.path!r}, which is no file of it")
        self._manifest, self._lists, self._step = manifest, server.lists, server.model
        types = {n: manifest.definitions[n]["type"] for n in manifest.features}
        self._columns = [(tensor_name(n), n, kind) for n, kind in types.items()]
        self._lock = threading.Lock()
        place = _written(files, folder_for(self)) / self._told.path
        try:
            self._graph = load_server(server, str(place))
        except Exception as error:  # the user's code may raise anything: this version is refused
            raise refused(manifest, f"{self._told.server} does not load: {error!r}") from error

    @property
    def metrics(self) -> Mapping[str, Any]:
        found = getattr(self.server, "metrics", None)
        return dict(found) if isinstance(found, Mapping) else {}  # a class may call anything so

    @property
    def server(self) -> Any:
        """The user's object."""
        return self._graph.step(self._step)

    def predict(self, tensors: Tensors) -> Any:
        """Raises SluiceError where the server's answer is not one output for each input."""
        outputs = self.ask(self._rows(tensors))
        return scores(outputs, self._told.answers, self._manifest.classes)

    def ask(self, inputs: list[Any]) -> list[Any]:
        """The server's outputs for inputs, as MLRun would answer them."""
        event = Event(path="/infer", id="sluice")
        with self._lock:
            answer = self._graph.run({"inputs": inputs}, event=event)
        outputs = answer.get("outputs") if isinstance(answer, dict) else None
        if not isinstance(outputs, list) or len(outputs) != len(inputs):
            found = type(answer).__name__ if outputs is None else f"outputs {outputs!r:.80}"
            raise SluiceError(f"{self._told.server} gave no output for each input: {found}")
        return outputs

    def _rows(self, tensors: Tensors) -> list[Any]:
        columns = [
            [_plain(v, kind) for v in tensors[t][:, 0].tolist()] for t, _, kind in self._columns
        ]
        rows = [list(row) for row in zip(*columns, strict=True)]
        if self._lists:
            return rows
        names = [name for _, name, _ in self._columns]
        return [dict(zip(names, row, strict=True)) for row in rows]


def load_server(server: Server, path: str) -> Graph:
    """The steps of a server, its model loaded from `path`. Raises what its code raises."""
    spec = server.at(path)
    context = Context(spec)
    vars(context).update(is_mock=True, monitoring_mock=False)  # MLRun's streams get nothing
    return Graph(spec, context=context)


def scores(outputs: list[Any], answers: str, classes: list[Any]) -> Any:
    """A model's scores [n, k], as every version gives them, of a server's outputs.

    Raises SluiceError for an output that is not what the version says that it answers.
    """
    if answers == "label":
        places = {label: at for at, label in enumerate(classes)}
        unknown = [o for o in outputs if isinstance(o, list | dict) or o not in places]
        if unknown:
            raise SluiceError(f"answered {unknown[0]!r}, which is none of the classes {classes}")
        ones = np.eye(len(classes))[[places[o] for o in outputs]]
        return ones[:, 1:] if len(classes) == 2 else ones
    try:
        made = np.array(outputs, np.float64)
    except (TypeError, ValueError) as error:
        raise SluiceError(f"answered {outputs[0]!r:.80}, expected numbers: {error}") from None
    if answers == "number":
        made = made.reshape(len(outputs), -1)
    width = len(classes) if answers == "probabilities" else 1
    if made.shape != (len(outputs), width):
        raise SluiceError(f"answered {list(made.shape)} numbers, expected {[len(outputs), width]}")
    return made[:, 1:] if width == 2 else made


def _plain(value: Any, kind: str) -> Any:
    """A value as its caller wrote it in JSON."""
    if value is None or value != value:
        return None
    if kind == "boolean":
        return bool(value)
    return int(value) if kind == "integer" else value


def _written(files: Files, folder: Path) -> Path:
    """The model's files, as they were verified, in a folder: such classes load by path."""
    for name, data in files.items():
        if name.startswith(PREFIX):
            (folder / name.removeprefix(PREFIX)).write_bytes(data)
    return folder
