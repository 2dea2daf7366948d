"""The optional peers: what is asked of each, and what is told of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench.part import Bench
from bench.parts.peers import BESIDE, Found, Turn, figures, page
from bench.peers.installed import PEERS, environment_of, pins, version
from bench.server import COMMANDS

ROOT = Path(__file__).parents[2]
RECORD = {"carrier": "UA", "flight": 1545, "tailnum": None, "distance": 1400.0}
ANSWER = {"probability": 0.25, "label": 0}
REPLIES = {
    "mlserver": {"outputs": [{"data": ['{"probability": 0.25, "label": 0}']}]},
    "mlserver_json": {"outputs": [{"data": ['{"probability": 0.25, "label": 0}']}]},
    "kserve": {"predictions": [ANSWER]},
}


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_is_pinned_has_an_app_and_a_way_to_be_asked(name: str) -> None:
    environment = environment_of(name)
    assert re.fullmatch(r"[0-9.]+", version(name))
    lines = [line for line in pins(environment).splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+]+", line) for line in lines)
    assert {"xgboost-cpu", "msgspec"} <= {line.partition("==")[0] for line in lines}
    assert (ROOT / "bench" / "peers" / f"{environment}_app.py").is_file()
    assert PEERS[name].unwrap(REPLIES.get(name, ANSWER)) == ANSWER
    assert PEERS[name].wrap(RECORD)


def test_a_record_as_tensors_has_a_type_for_each_field() -> None:
    inputs = PEERS["mlserver"].wrap(RECORD)["inputs"]
    assert [(i["name"], i["datatype"], i["data"]) for i in inputs] == [
        ("carrier", "BYTES", ["UA"]),
        ("flight", "INT64", [1545]),
        ("tailnum", "BYTES", [""]),
        ("distance", "FP64", [1400.0]),
    ]


def test_ratios_are_of_rounds_with_their_range() -> None:
    ours = [Turn(100.0 * n, *[1.0] * 6) for n in (1, 2, 3)]
    theirs = [Turn(10.0, *[2.0] * 6) for _ in ours]
    found = Found({"http": ours, "mosec": theirs}, {"ray": "not installed: make peers"})
    made = figures(found)
    assert made["peers_http_rps"] == 200
    assert [made[f"peers_rps_vs_mosec{part}"] for part in ("_least", "", "_most")] == [10, 20, 30]
    assert made["peers_cpu_us_vs_mosec"] == 0.5
    text = page(found)
    assert "| Ray Serve" in text
    assert "not installed: make peers" in text
    assert "× 20 (10–30)" in text


def test_sluice_and_fastapi_are_beside_them_in_any_case() -> None:
    assert set(BESIDE) <= set(COMMANDS)
    assert len(list(Bench(5, 1.0).turns("peers", BESIDE))) == 15
