"""The model versions that answer now: loaded, checked against the declarations, bound together.

A version is live while an alias points at it. A `Live` never changes; when an alias moves, a new
one takes its place, and requests on their way finish with the one that they began with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.calibration import FILE as CALIBRATION_FILE
from sluice.calibration import Calibration, read_calibration
from sluice.errors import NotFound, SluiceError, VersionRefused, nearest
from sluice.features.definitions import Definitions
from sluice.features.lookup import Lookup
from sluice.features.plan import wanted
from sluice.features.store import OnlineStore
from sluice.models.manifest import Manifest, Stored
from sluice.models.model import Input, Model, Tensors, load_model, signature_of
from sluice.models.signature import Signature
from sluice.models.store import ModelStore
from sluice.transform.transform import Rows, Transform, read_transform

CHAMPION = "champion"
TRANSFORM_FILE = "transform.json"


@dataclass(frozen=True, slots=True)
class Version:
    """One loaded model version.

    `used` are the columns whose defaults concern its answers, `features` those of them that are
    looked up, by entity; `digests` are those of the transforms that it answers from. Versions of
    two classes have a `calibration`, if their training had a holdout; those that answer a model
    file's own outputs have its `signature`.
    """

    number: str
    manifest: Manifest
    model: Model
    transform: Transform
    digest: str
    used: frozenset[str]
    features: Mapping[str, tuple[str, ...]]
    digests: tuple[str, ...]
    calibration: Calibration | None = None
    signature: Signature | None = None


def load_version(
    stored: Stored, definitions: Definitions, loaded: Iterable[Version] = ()
) -> Version:
    """A version from its verified files; it shares the transform of a `loaded` one that has it.

    Raises VersionRefused when it does not load, or when a column that it was trained with is
    declared differently now: it would be served other values than it learnt from.
    """
    manifest = stored.manifest
    _refuse_changed(manifest, definitions)
    transform = _transform(stored, loaded)
    try:
        transform.check(definitions)
    except ValueError as error:
        raise _refused(manifest, definitions.file.name, str(error)) from None
    model = load_model(manifest, stored.files, definitions.servers)
    looked_up = wanted(definitions, [n for n in transform.inputs if n in definitions.features])
    return Version(
        number=manifest.version,
        manifest=manifest,
        model=model,
        transform=transform,
        digest=manifest.transform_digest,
        digests=(manifest.transform_digest,),
        calibration=_calibration(stored),
        signature=signature_of(manifest, stored.files) if manifest.task == "tensors" else None,
        used=frozenset(transform.inputs),
        features={entity: tuple(f.name for f in found) for entity, found in looked_up.items()},
    )


def _transform(stored: Stored, loaded: Iterable[Version]) -> Transform:
    """The transform of a version: the one of a loaded version that has the same file, or read."""
    manifest = stored.manifest
    transform: Transform | None = None
    if file := manifest.files.get(TRANSFORM_FILE):
        same = (v.transform for v in loaded if v.manifest.files[TRANSFORM_FILE] == file)
        transform = next(same, None)
    try:
        transform = transform or read_transform(stored.files[TRANSFORM_FILE])
    except (SluiceError, KeyError, ValueError, TypeError) as error:
        raise _refused(manifest, TRANSFORM_FILE, str(error)) from error
    if transform.digest != manifest.transform_digest:
        raise _refused(manifest, TRANSFORM_FILE, "is not the transform that the manifest names")
    return transform


def _calibration(stored: Stored) -> Calibration | None:
    data = stored.files.get(CALIBRATION_FILE)
    try:
        return None if data is None else read_calibration(data)
    except ValueError as error:
        raise _refused(stored.manifest, CALIBRATION_FILE, str(error)) from error


def _refuse_changed(manifest: Manifest, definitions: Definitions) -> None:
    names = definitions.names
    for name, trained in manifest.definitions.items():
        if name not in names:
            why = f"{name} is not declared any more; {nearest(name, names)}"
            raise _refused(manifest, definitions.file.name, why)
        now = definitions.declaration(name)
        untold = {"timestamp": now.get("timestamp")} if manifest.format == 1 else {}
        then = {**untold, **trained}
        changed = [k for k in {*now, *then} if now.get(k) != then.get(k)]
        if changed:
            what = "; ".join(f"{k} was {then.get(k)!r}, is {now.get(k)!r}" for k in changed)
            hint = "retrain, or restore the declaration"
            raise _refused(manifest, definitions.file.name, f"{name} has changed: {what}", hint)


def _refused(manifest: Manifest, file: str, why: str, hint: str = "") -> VersionRefused:
    return VersionRefused(manifest.graph, manifest.version, file, why, hint)


@dataclass(frozen=True)
class Live:
    """What answers now.

    Attributes:
        versions: by number.
        aliases: alias → number, of the versions that were loaded.
        refused: alias → why its version was not loaded.
        columns: the names of a row's values: record fields, then the union of looked-up features.
        lookup: fetches that union.
        item_lookup: of a ranking graph, fetches the part of it that is known by candidate; `lookup`
            fetches the others, and their columns come first.
        transforms: by digest, bound to `columns`; versions with one digest share one.
        sole: the digest of the only transform; None where there are several.
    """

    graph: str
    versions: Mapping[str, Version]
    aliases: Mapping[str, str]
    refused: Mapping[str, str]
    columns: Sequence[str]
    lookup: Lookup
    transforms: Mapping[str, Rows] = field(repr=False)
    sole: str | None
    item_lookup: Lookup | None = None
    _teams: dict[str, Version] = field(default_factory=dict, repr=False)

    def is_current(self) -> bool:
        """Whether the store still has the layouts that the look-ups were made for."""
        lookups = (self.lookup, self.item_lookup)
        return all(lookup.is_current() for lookup in lookups if lookup is not None)

    @property
    def champion(self) -> Version:
        """The version that answers unless the router says otherwise. Raises NotFound."""
        return self.version(CHAMPION)

    def version(self, name: str) -> Version:
        """The live version with this alias or number. Raises NotFound."""
        number = self.aliases.get(name, name)
        if number not in self.versions:
            if name in self.refused:
                raise NotFound(f"{self.graph} {name} is refused: {self.refused[name]}")
            hint = nearest(name, [*self.aliases, *self.versions])
            raise NotFound(f"{self.graph} has no live version {name!r}: {hint}")
        return self.versions[number]

    def answering(self, number: str) -> Version:
        """The version that a choice names, to read an answer by: a team's is "1+3".

        What a team uses is what any member uses; its scores mean what the first member's do. It
        has no model: it is the members that are asked.
        """
        if number in self.versions:
            return self.versions[number]
        if number not in self._teams:
            self._teams[number] = _team([self.version(n) for n in number.split("+")])
        return self._teams[number]

    def rows(self, digest: str, columns: Sequence[str]) -> Rows:
        """The transform for rows in the order of `columns` (as another process may send them)."""
        if columns is self.columns or list(columns) == list(self.columns):
            return self.transforms[digest]
        return self.transform(digest).bind(columns)

    def transform(self, digest: str) -> Transform:
        """The transform with this digest."""
        return next(v.transform for v in self.versions.values() if v.digest == digest)


class _Nobody:
    """The model of a team."""

    inputs: tuple[Input, ...] = ()
    imports: tuple[str, ...] = ()

    def predict(self, tensors: Tensors) -> Any:
        raise TypeError("a team has no model: its members are asked")


def _team(members: Sequence[Version]) -> Version:
    """What several versions are together."""
    features: dict[str, tuple[str, ...]] = {}
    for member in members:
        for entity, names in member.features.items():
            features[entity] = tuple(dict.fromkeys((*features.get(entity, ()), *names)))
    return replace(
        members[0],
        number="+".join(member.number for member in members),
        model=_Nobody(),
        used=frozenset().union(*(member.used for member in members)),
        features=features,
        digests=tuple(dict.fromkeys(member.digest for member in members)),
        calibration=None,
    )


def load_live(
    graph: str,
    definitions: Definitions,
    models: ModelStore,
    features: OnlineStore,
    before: Mapping[str, Version] | None = None,
) -> Live:
    """Load every version that an alias points at; those in `before` are loaded, and stay.

    A version that is refused is left out, and `refused` says why; but without its champion a
    graph can't serve. Raises VersionRefused for a refused champion, NotFound when there is none.
    """
    before = before or {}
    aliases = {name: a.version for name, a in models.aliases(graph).items()}
    if CHAMPION not in aliases:
        raise NotFound(f"{graph} has no champion yet: train one (sluice run main --graph {graph})")
    versions: dict[str, Version] = {}
    refused: dict[str, str] = {}
    for alias, number in sorted(aliases.items(), key=lambda item: item[0] != CHAMPION):
        try:
            if number in before:
                versions[number] = before[number]
            elif number not in versions:
                others = (*before.values(), *versions.values())
                versions[number] = load_version(models.read(graph, number), definitions, others)
        except (VersionRefused, NotFound) as error:
            if alias == CHAMPION:
                raise
            refused[alias] = str(error)
    loaded = {a: n for a, n in aliases.items() if n in versions}
    return bind(graph, definitions, features, versions, aliases=loaded, refused=refused)


def bind(
    graph: str,
    definitions: Definitions,
    features: OnlineStore,
    versions: Mapping[str, Version],
    *,
    aliases: Mapping[str, str],
    refused: Mapping[str, str] | None = None,
) -> Live:
    """Put loaded versions together: the union of their features, each transform once."""
    candidates = definitions.candidates
    wanted = {n for v in versions.values() for n in v.used}.union(definitions.fetch)
    wanted.update(candidates.features if candidates else ())
    names = [n for n in definitions.features if n in wanted]
    names.sort(key=definitions.is_of_item)
    columns = [*definitions.record.names, *names]
    distinct = {v.digest: v.transform for v in versions.values()}
    transforms = {digest: transform.bind(columns) for digest, transform in distinct.items()}
    of_record = [n for n in names if not definitions.is_of_item(n)]
    lookup = Lookup(definitions, of_record, features)
    item_lookup = Lookup(definitions, names[len(of_record) :], features) if candidates else None
    sole = next(iter(transforms)) if len(transforms) == 1 else None
    return Live(
        graph, versions, aliases, refused or {}, columns, lookup, transforms, sole, item_lookup
    )
