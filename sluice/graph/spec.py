"""What a graph's declaration says: parameters, steps in the order in which they run, and so on."""

from __future__ import annotations

import base64
import binascii
import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sluice.declaration import Section, read_yaml
from sluice.errors import DeclarationError
from sluice.graph.secrets import SecretSource

LOAD_MODES = ("sync", "async")


@dataclass(frozen=True)
class StepSpec:
    """One step. `where` is its place in the declaration, for errors.

    `on_error` names the step that takes over when this one raises. `creation_strategy` and
    `endpoint_type` are handed to `post_init`, as MLRun does.
    """

    name: str
    where: str = ""
    kind: str = "task"
    class_name: str | None = None
    class_args: Mapping[str, Any] = field(default_factory=dict)
    handler: str | None = None
    after: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    responder: bool = False
    on_error: str | None = None
    full_event: bool | None = None
    input_path: str | None = None
    result_path: str | None = None
    creation_strategy: str = "skip"
    endpoint_type: int = 1


@dataclass(frozen=True)
class GraphSpec:
    """A graph: our named subset of MLRun's function of kind serving.

    Attributes:
        name: the graph's name; project: the MLRun project's, or empty.
        file: what it was read from, for errors.
        steps: the linear flow, in the order in which it runs.
        rescues: by the name of a step that on_error names, that step and those that follow it.
        on_error: the graph's own error handler, or None.
        notices: what was handed over and does nothing here, in words; logged when it is loaded.
    """

    name: str
    file: str
    steps: tuple[StepSpec, ...]
    rescues: Mapping[str, tuple[StepSpec, ...]] = field(default_factory=dict)
    on_error: str | None = None
    project: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    load_mode: str = "sync"
    graph_initializer: str | None = None
    error_stream: str | None = None
    secret_sources: tuple[SecretSource, ...] = ()
    default_content_type: str | None = None
    verbose: bool = False
    notices: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path | str) -> GraphSpec:
        """The graph in a graph.yaml, strictly. Raises DeclarationError: file, step, field."""
        return cls.parse(read_yaml(Path(path)), path)

    @classmethod
    def parse(cls, data: Any, file: object, strict: bool = True) -> GraphSpec:
        """The graph in an MLRun function (kind, metadata, spec), such as a graph.yaml holds.

        `strict` is for what people write: an unknown field is an error. Otherwise it goes into
        `notices`. What ours does not do is an error either way. Raises DeclarationError.
        """
        from sluice.graph.read import Reader, read_function

        return read_function(Section(data, file), Reader(strict))

    @classmethod
    def handed_over(cls, text: str, file: object = "SERVING_SPEC_ENV") -> GraphSpec:
        """The graph that MLRun hands a serving function over: JSON, or gzipped JSON in base64.

        Raises DeclarationError when it is neither, or names what ours does not do.
        """
        from sluice.graph.read import Reader, read_handed_over

        return read_handed_over(Section(_decoded(text, file), file), Reader(strict=False))


def _decoded(text: str, file: object) -> Any:
    with suppress(binascii.Error, ValueError, OSError, EOFError):  # plain JSON is not packed
        text = gzip.decompress(base64.b64decode(text, validate=True)).decode("utf-8")
    try:
        return json.loads(text)
    except ValueError as error:
        hint = "expected JSON, or gzipped JSON in base64, as MLRun writes it"
        raise DeclarationError(file, "", f"not a serving specification: {error}", hint) from None
