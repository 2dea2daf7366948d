"""The optional peers and their environments. `python -m bench.peers.installed [NAME …]` makes them.

Each is build/peers/NAME, with what NAME.txt beside this file pins.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench.server import Peer
from bench.work import ROOT

_PINS, _BUILD = Path(__file__).parent, ROOT / "build" / "peers"


def _python(name: str) -> str:
    return str(_BUILD / name / "bin" / "python")


def _tensor(name: str, value: Any) -> dict[str, Any]:
    kind = {int: "INT64", float: "FP64"}.get(type(value), "BYTES")
    return {"name": name, "shape": [1], "datatype": kind, "data": ["" if value is None else value]}


def _as_tensors(record: Any) -> Any:
    return {"inputs": [_tensor(name, value) for name, value in record.items()]}


def _as_bytes(record: Any) -> Any:
    return {"inputs": [_tensor("record", json.dumps(record))]}


def _of_bytes(reply: Any) -> Any:
    return json.loads(reply["outputs"][0]["data"][0])


def _as_instances(record: Any) -> Any:
    return {"instances": [record]}


def _of_predictions(reply: Any) -> Any:
    return reply["predictions"][0]


def _app(name: str, path: str, **others: Any) -> Peer:
    return Peer([f"bench.peers.{name}_app"], path, python=_python(name), **others)


_BENTO = ["bentoml", "serve", "bench.peers.bentoml_app:Predict", "--host", "127.0.0.1"]
_INFER = "/v2/models/flights/infer"
PEERS: Mapping[str, Peer] = {
    "mosec": _app("mosec", "/inference"),
    "litserve": _app("litserve", "/predict"),
    "bentoml": Peer(_BENTO, python=_python("bentoml")),
    "mlserver": _app("mlserver", _INFER, wrap=_as_tensors, unwrap=_of_bytes),
    "mlserver_json": _app("mlserver", _INFER, wrap=_as_bytes, unwrap=_of_bytes),
    "kserve": _app(
        "kserve", "/v1/models/flights:predict", wrap=_as_instances, unwrap=_of_predictions
    ),
    "ray": _app("ray", "/"),
}


def environment_of(name: str) -> str:
    """What a peer is installed as: "mlserver_json" is another way to ask mlserver."""
    return name.partition("_")[0]


def pins(environment: str) -> str:
    """What an environment holds, as pip reads it."""
    return (_PINS / f"{environment}.txt").read_text("utf-8")


def version(name: str) -> str:
    """Which version of a peer is pinned."""
    package = f"{environment_of(name)}=="
    [found] = [line for line in pins(environment_of(name)).splitlines() if line.startswith(package)]
    return found.removeprefix(package)


def installed(name: str) -> bool:
    """Whether a peer's environment is there, with these pins."""
    environment = environment_of(name)
    stamp = _BUILD / environment / "pins.txt"
    return stamp.is_file() and stamp.read_text("utf-8") == pins(environment)


def install(name: str) -> None:
    """Make an environment. Raises CalledProcessError when pip does not."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(_BUILD / name)], check=True)
    pip = [_python(name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(_PINS / f"{name}.txt")], check=True)
    (_BUILD / name / "pins.txt").write_text(pins(name), "utf-8")


def main(names: Sequence[str]) -> None:
    """Make those that are not there, one at a time."""
    wanted = dict.fromkeys(map(environment_of, names or PEERS))
    for name in tqdm(wanted, desc="peers", unit=" environments"):
        if not installed(name):
            install(name)


if __name__ == "__main__":
    main(sys.argv[1:])
