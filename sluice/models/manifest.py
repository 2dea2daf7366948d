"""What a model version holds, and the seal by which a changed byte of it is noticed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import msgspec

from sluice.errors import VersionRefused
from sluice.models.document import plain_name, read_document, utc_text, write_document

FORMAT = 2  # in 1, not all definitions of features told the timestamp of their table
MANIFEST = "manifest.json"
DIGEST = "manifest.sha256"
_DIGEST_TEXT = re.compile(rb"[0-9a-f]{64}  manifest\.json\n")

Label: TypeAlias = bool | int | float | str
Files: TypeAlias = Mapping[str, bytes]


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What training knows of a version, before the store gives it a number.

    task: classification, regression or ranking; tensors: the outputs are those of the model file,
        by name, as the version's signature.json types them.
    model_format: how `model_file` is read: onnx, xgboost-json, skops, item-item or mlrun.
    classes: the labels in the order of the model's probabilities; of two, the second is the
        positive one. Empty for the other tasks.
    outputs: the names of what the version answers.
    features: the columns that it needs: fields of the record, and "entity.feature".
    definitions: how each feature was declared at training time.
    transform_digest: names the fitted transform; equal digests compute equal matrices.
    training, metrics: free JSON (seed, rows, window, library versions; scores).
    """

    task: Literal["classification", "regression", "ranking", "tensors"]
    model_format: Literal["onnx", "xgboost-json", "skops", "item-item", "mlrun"]
    model_file: str
    classes: list[Label]
    outputs: list[str]
    features: list[str]
    definitions: dict[str, dict[str, Any]]
    transform_digest: str
    training: dict[str, Any]
    metrics: dict[str, Any]


class FileSum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The SHA-256 sum (hexadecimal) and the size (bytes) of one file."""

    sha256: str
    size: int


class Manifest(Draft, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A draft with its format, its place in the store and the sums of its files."""

    format: int
    graph: str
    version: str
    created: str
    files: dict[str, FileSum]


@dataclass(frozen=True, slots=True)
class Stored:
    """A version that was verified: its manifest, and the very bytes that were checked."""

    manifest: Manifest
    files: dict[str, bytes]


def seal(
    graph: str, version: str, draft: Draft, files: Files, clock: Callable[[], float]
) -> dict[str, bytes]:
    """Every file of a version's folder: `files`, the manifest and the manifest's sum.

    What it returns is what `unseal` accepts. Raises VersionRefused when the draft breaks the
    manifest's rules, TypeError when its free JSON holds something that JSON does not have.
    """
    for name in files:
        if not plain_name(name) or name in (MANIFEST, DIGEST):
            raise VersionRefused(graph, version, name, "cannot be the name of a file of a version")
    manifest = Manifest(
        **msgspec.structs.asdict(draft),
        format=FORMAT,
        graph=graph,
        version=version,
        created=utc_text(clock),
        files={name: FileSum(_sha256(data), len(data)) for name, data in sorted(files.items())},
    )
    text = write_document(manifest)
    folder = {**files, MANIFEST: text, DIGEST: f"{_sha256(text)}  {MANIFEST}\n".encode()}
    unseal(graph, version, folder)
    return folder


def unseal(graph: str, version: str, folder: Files) -> Stored:
    """The version whose folder has these files, verified byte by byte.

    The sums notice damage and mistakes; they cannot notice someone who rewrites a file together
    with the manifest and its sum. Raises VersionRefused, with the file and the reason.
    """
    manifest = read_manifest(graph, version, folder)
    for name in sorted(set(folder) - set(manifest.files) - {MANIFEST, DIGEST}):
        raise VersionRefused(graph, version, name, "is not listed in the manifest")
    for name, expected in manifest.files.items():
        _check_file(graph, version, name, expected, folder)
    return Stored(manifest, {name: folder[name] for name in manifest.files})


def read_manifest(graph: str, version: str, folder: Files) -> Manifest:
    """The manifest of a version, checked against its own sum and against its place in the store.

    Raises VersionRefused, with the file and the reason.
    """
    for name in (MANIFEST, DIGEST):
        if name not in folder:
            raise VersionRefused(graph, version, name, "is missing")
    try:
        manifest = read_document(folder[MANIFEST], Manifest, (FORMAT - 1, FORMAT))
    except ValueError as error:
        raise VersionRefused(graph, version, MANIFEST, str(error)) from None
    if not _DIGEST_TEXT.fullmatch(folder[DIGEST]):
        raise VersionRefused(graph, version, DIGEST, "is not a SHA-256 sum of the manifest")
    if not folder[DIGEST].startswith(_sha256(folder[MANIFEST]).encode()):
        raise VersionRefused(
            graph, version, MANIFEST, f"does not match {DIGEST}: one of the two was changed"
        )
    for broken in _broken_rules(graph, version, manifest):
        raise VersionRefused(graph, version, MANIFEST, broken)
    return manifest


def _broken_rules(graph: str, version: str, manifest: Manifest) -> list[str]:
    count = len(manifest.classes)
    found = f"{manifest.graph} version {manifest.version}"
    rules = {
        f"belongs to {found}": (manifest.graph, manifest.version) == (graph, version),
        f"model_file {manifest.model_file!r} is not among its files": (
            manifest.model_file in manifest.files
        ),
        f"a {manifest.task} cannot have {count} classes": (
            count >= 2 if manifest.task == "classification" else count == 0
        ),
        "features names a column twice": len(set(manifest.features)) == len(manifest.features),
    }
    return [problem for problem, kept in rules.items() if not kept]


def _check_file(graph: str, version: str, name: str, expected: FileSum, folder: Files) -> None:
    data = folder.get(name)
    if data is None:
        raise VersionRefused(graph, version, name, "is missing")
    if len(data) != expected.size:
        why = f"has {len(data)} bytes, the manifest says {expected.size}"
        raise VersionRefused(graph, version, name, why)
    if _sha256(data) != expected.sha256:
        raise VersionRefused(graph, version, name, "was changed: its SHA-256 sum does not match")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
