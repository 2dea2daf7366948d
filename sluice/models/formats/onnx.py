"""ONNX models by ONNX Runtime: the default, without pickle and light to load."""

from __future__ import annotations

from typing import Any

import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from sluice.models.formats.onnx_nodes import rows_are_alike
from sluice.models.manifest import Manifest
from sluice.models.model import Input, Tensors, refused

_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(string)": "object",
}
_FLOATING = ("tensor(float)", "tensor(double)")
FAILURES = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NotImplemented,
    failures.RuntimeException,
)


class OnnxModel:
    """An ONNX graph in a session of one thread, with equal bits for a row alone and among many.

    The one thread is the caller's: ONNX Runtime lets any number of them run a session at once.
    Of the graph's outputs only the one that is needed is computed: the floating one or, among
    several, the one that the manifest's `outputs` names.
    """

    imports: tuple[str, ...] = ()

    def __init__(self, manifest: Manifest, data: bytes) -> None:
        session = open_session(manifest, data)
        self.inputs = tuple(_input(manifest, node) for node in session.get_inputs())
        self._names = [node.name for node in self.inputs]
        self._run, self._fetch = bare_run(session), [_output(manifest, session)]
        self._width = len(manifest.classes) if len(manifest.classes) > 2 else 1
        self._alike = rows_are_alike(data)

    def predict(self, tensors: Tensors) -> Any:
        feed = {name: tensors[name] for name in self._names}
        twice = not self._alike and len(feed[self._names[0]]) == 1
        if twice:
            # A linear layer multiplies one row by another routine than many, and the last bit
            # differs; two rows and more are alike. So one row goes twice.
            feed = {name: tensor.repeat(2, axis=0) for name, tensor in feed.items()}
        answer = self._run(self._fetch, feed, None)[0]
        if answer.ndim != 2:
            answer = answer.reshape(-1, self._width)
        elif self._width == 1:
            answer = answer[:, -1:]
        return answer[:1] if twice else answer


def open_session(manifest: Manifest, data: bytes) -> Any:
    """A session of one thread. Raises VersionRefused for what ONNX Runtime does not load."""
    try:
        return session_of(data)
    except FAILURES as error:
        raise refused(manifest, f"ONNX Runtime does not load it: {error}") from None


def session_of(data: bytes) -> Any:
    """ONNX Runtime's session of a file. Raises one of FAILURES."""
    return onnxruntime.InferenceSession(data, _options(), ["CPUExecutionProvider"])


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # Without the arena a one-row call is as fast, and a large batch leaves no memory held.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return options


def bare_run(session: Any) -> Any:
    """What `session.run` calls, without its checks of every call; `session.run` if it has none.

    The names are the session's own, and its single provider has no other to fall back to.
    """
    return getattr(getattr(session, "_sess", None), "run", session.run)


def _input(manifest: Manifest, node: Any) -> Input:
    if node.type not in _DTYPES:
        raise refused(
            manifest, f"input {node.name!r} is a {node.type}", f"use {', '.join(_DTYPES)}"
        )
    width = node.shape[1] if len(node.shape) == 2 else 1
    return Input(node.name, _DTYPES[node.type], width if isinstance(width, int) else None)


def _output(manifest: Manifest, session: Any) -> str:
    floating = [node for node in session.get_outputs() if node.type in _FLOATING]
    named = [node for node in floating if node.name in manifest.outputs]
    fitting = named or floating
    if len(fitting) != 1:
        found = ", ".join(node.name for node in session.get_outputs())
        raise refused(
            manifest, f"has no single floating output among {found}", "name it in outputs"
        )
    _check_width(manifest, fitting[0])
    return str(fitting[0].name)


def _check_width(manifest: Manifest, node: Any) -> None:
    width = node.shape[-1] if len(node.shape) == 2 else 1
    count = len(manifest.classes)
    allowed = {0: (1,), 2: (1, 2)}.get(count, (count,))
    if isinstance(width, int) and width not in allowed:
        wanted = " or ".join(map(str, allowed))
        raise refused(manifest, f"output {node.name!r} has {width} columns, expected {wanted}")
