"""A version's seal: what was logged comes back, and anything else is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import VersionRefused
from sluice.models.document import utc_text
from sluice.models.manifest import DIGEST, MANIFEST, seal, unseal
from tests.models.samples import FILES, GRAPH, draft

SEALED = seal(GRAPH, "3", draft(), FILES, lambda: 0.0)


def refusal(folder: dict[str, bytes], version: str = "3") -> VersionRefused:
    with pytest.raises(VersionRefused) as caught:
        unseal(GRAPH, version, folder)
    return caught.value


def resealed(change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    """The folder with a changed manifest and the right sum for it."""
    import hashlib

    content = json.loads(SEALED[MANIFEST])
    change(content)
    text = json.dumps(content).encode()
    return {
        **SEALED,
        MANIFEST: text,
        DIGEST: f"{hashlib.sha256(text).hexdigest()}  {MANIFEST}\n".encode(),
    }


def test_what_was_sealed_comes_back() -> None:
    stored = unseal(GRAPH, "3", SEALED)
    assert stored.files == FILES
    assert (stored.manifest.graph, stored.manifest.version) == (GRAPH, "3")
    assert stored.manifest.created == "1970-01-01T00:00:00Z"
    assert stored.manifest.definitions == draft().definitions
    assert set(stored.manifest.files) == set(FILES)


@pytest.mark.parametrize("name", sorted(SEALED))
def test_every_flipped_byte_is_refused_naming_the_file(name: str) -> None:
    for place in range(len(SEALED[name])):
        for mask in (0x01, 0x20, 0x80):
            data = bytearray(SEALED[name])
            data[place] ^= mask
            error = refusal({**SEALED, name: bytes(data)})
            assert name in str(error), (place, mask)


@given(st.sampled_from(sorted(SEALED)), st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=200, deadline=None)
def test_any_single_byte_change_is_refused(name: str, place: int, mask: int) -> None:
    data = bytearray(SEALED[name])
    data[place % len(data)] ^= mask
    assert name in str(refusal({**SEALED, name: bytes(data)}))


@pytest.mark.parametrize("name", sorted(SEALED))
def test_a_truncated_grown_or_missing_file_is_refused_naming_it(name: str) -> None:
    for data in (SEALED[name][:-1], b"", SEALED[name] + b"\n"):
        assert name in str(refusal({**SEALED, name: data}))
    error = refusal({n: data for n, data in SEALED.items() if n != name})
    assert (error.file, error.why) == (name, "is missing")


def test_an_unlisted_file_is_refused() -> None:
    error = refusal({**SEALED, "extra.pkl": b""})
    assert (error.file, error.why) == ("extra.pkl", "is not listed in the manifest")


@pytest.mark.parametrize("sealed_again", [True, False])
def test_a_newer_format_is_refused_as_newer_with_the_cure(sealed_again: bool) -> None:
    folder = resealed(lambda manifest: manifest.update(format=3, shape_of_things_to_come=1))
    error = refusal(folder if sealed_again else {**folder, DIGEST: SEALED[DIGEST]})
    assert error.file == MANIFEST
    assert error.why == "is of format 3; this Sluice reads format 1 and 2: upgrade Sluice"


@pytest.mark.parametrize("field", sorted(json.loads(SEALED[MANIFEST])))
def test_a_missing_or_ill_typed_field_is_refused_naming_it(field: str) -> None:
    assert field in refusal(resealed(lambda manifest: manifest.pop(field))).why
    assert field in refusal(resealed(lambda manifest: manifest.update({field: 1.5}))).why


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.update(colour="red"), "colour"),
        (lambda m: m.update(classes=[]), "a classification cannot have 0 classes"),
        (lambda m: m.update(task="regression"), "a regression cannot have 2 classes"),
        (lambda m: m.update(features=["a", "a"]), "features names a column twice"),
        (lambda m: m.update(model_file="m.onnx"), "model_file 'm.onnx' is not among its files"),
        (lambda m: m["files"]["model.onnx"].pop("size"), "size"),
        (lambda m: m.update(format=True), "format"),
    ],
)
def test_a_manifest_that_breaks_a_rule_is_refused(
    change: Callable[[dict[str, Any]], object], why: str
) -> None:
    error = refusal(resealed(change))
    assert error.file == MANIFEST
    assert why in error.why


def test_a_version_that_was_copied_elsewhere_is_refused() -> None:
    assert refusal(SEALED, "4").why == f"belongs to {GRAPH} version 3"


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "", MANIFEST, DIGEST, "a\n"])
def test_a_file_name_that_could_lead_elsewhere_is_not_sealed(name: str) -> None:
    with pytest.raises(VersionRefused, match="cannot be the name of a file"):
        seal(GRAPH, "1", draft(), {**FILES, name: b""}, lambda: 0.0)


def test_what_could_not_be_read_back_is_not_sealed() -> None:
    with pytest.raises(VersionRefused, match="model_format"):
        seal(GRAPH, "1", draft(model_format="pickle"), FILES, lambda: 0.0)
    with pytest.raises(TypeError):
        seal(GRAPH, "1", draft(metrics={"auc": object()}), FILES, lambda: 0.0)


def test_utc_text() -> None:
    assert utc_text(lambda: 1_357_020_000.9) == "2013-01-01T06:00:00Z"
