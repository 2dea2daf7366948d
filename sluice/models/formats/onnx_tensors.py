"""ONNX files made elsewhere, with several typed inputs and outputs: those of a signature."""

from __future__ import annotations

from typing import Any

import numpy as np

from sluice.errors import SluiceError
from sluice.models.formats.onnx import FAILURES, bare_run, open_session
from sluice.models.formats.onnx_nodes import rows_are_alike
from sluice.models.manifest import Manifest
from sluice.models.model import Input, Tensors, refused
from sluice.models.signature import TEXT, Signature


class OnnxTensors:
    """An ONNX graph in a session of one thread, fed and asked as its signature says.

    `predict` gives the outputs of a record one after the other, flat [n, k]: float64, or objects
    where one is text; of two classes the probability of the second. A record has the same bits
    alone as among many (formats/onnx.py).
    """

    imports: tuple[str, ...] = ()

    def __init__(self, manifest: Manifest, data: bytes, signature: Signature) -> None:
        session = open_session(manifest, data)
        self._names = [tensor.name for tensor in signature.inputs]
        self._outputs = signature.outputs
        self.inputs = tuple(
            Input(t.name, "object" if t.dtype == TEXT else t.dtype, t.size)
            for t in signature.inputs
        )
        self._run, self._fetch = bare_run(session), [t.name for t in signature.outputs]
        self._rows, self._alike = signature.rows, rows_are_alike(data)
        text = any(t.dtype == TEXT for t in signature.outputs)
        self._dtype: Any = object if text else np.float64
        self._of_two = len(manifest.classes) == 2
        _check_width(manifest, sum(t.size for t in signature.outputs))

    def predict(self, tensors: Tensors) -> Any:
        answer = self._predict(tensors)
        return answer[:, -1:] if self._of_two else answer

    def _predict(self, tensors: Tensors) -> Any:
        feed = {name: tensors[name] for name in self._names}
        n = len(feed[self._names[0]])
        if self._rows == 1:
            calls = [{name: t[at : at + 1] for name, t in feed.items()} for at in range(n)]
            return np.concatenate([self._ask(call, 1) for call in calls])
        if n == 1 and not self._alike:
            return self._ask({name: t.repeat(2, axis=0) for name, t in feed.items()}, 2)[:1]
        return self._ask(feed, n)

    def _ask(self, feed: dict[str, Any], n: int) -> Any:
        try:
            answers = self._run(self._fetch, feed, None)
        except FAILURES as error:
            raise SluiceError(f"the model does not answer: {error}") from None
        flat = []
        for output, answer in zip(self._outputs, answers, strict=True):
            found = np.asarray(answer)
            if found.size != n * output.size or len(found) != n:
                shape = [n, *output.shape]
                problem = f"output {output.name!r} is {list(found.shape)}, expected {shape}"
                raise SluiceError(f"the model answers in another shape: {problem}")
            flat.append(found.reshape(n, -1).astype(self._dtype))
        return np.concatenate(flat, axis=1)


def _check_width(manifest: Manifest, width: int) -> None:
    count = len(manifest.classes)
    allowed = {0: (1,), 2: (1, 2)}.get(count, (count,))
    if manifest.task != "tensors" and width not in allowed:
        wanted = " or ".join(map(str, allowed))
        names = "one output that is answered" if not count else f"{count} classes"
        raise refused(manifest, f"gives {width} values a record, expected {wanted} ({names})")
