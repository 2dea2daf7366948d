"""What a table of records came to, by column and by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from sluice.coded import Array, Coded

if TYPE_CHECKING:
    import pyarrow as pa

ERROR, DEFAULTS = "error", "defaults"


class Patterns(NamedTuple):
    """The defaults of k rows: the different sets of them, and which is each row's [k].

    `place` is None where all rows have the first one.
    """

    place: Array | None
    sets: Sequence[Mapping[str, str]]


class Part(NamedTuple):
    """The answers that one model version gave.

    Attributes:
        places: which records they answer [k].
        columns: the outputs by name [k]; of `probabilities` by label.
        defaults: of each row.
        listed: in place of `columns` and `defaults`, the outputs as a reply has them.
    """

    places: Array
    columns: Mapping[str, Any]
    defaults: Patterns
    listed: list[dict[str, Any]] | None = None

    def outputs(self) -> list[dict[str, Any]]:
        """The outputs as a reply has them."""
        if self.listed is not None:
            return self.listed
        names, columns = list(self.columns), [_list(c) for c in self.columns.values()]
        rows = zip(*columns, strict=True)
        if len(names) == 2:  # most models: a third of the time
            first, second = names
            made = [{first: one, second: other} for one, other in rows]
        else:
            made = [dict(zip(names, row, strict=True)) for row in rows]
        places = self.defaults.place
        if places is not None:
            for output, place in zip(made, places.tolist(), strict=True):
                if used := self.defaults.sets[place]:
                    output[DEFAULTS] = dict(used)
        return made

    def table(self) -> pa.Table:
        """The outputs by column, and `defaults` as JSON text."""
        import pyarrow as pa

        if self.listed is None:
            columns = {name: _arrow(column) for name, column in self.columns.items()}
            words = [_text(used) for used in self.defaults.sets]
            place = self.defaults.place
            codes = np.zeros(len(self.places), np.int32) if place is None else place
            texts = pa.array(words, pa.string()).take(pa.array(codes))
            return pa.table({**columns, DEFAULTS: texts})
        names = dict.fromkeys(name for output in self.listed for name in output)
        columns = {
            name: pa.array([output.get(name) for output in self.listed])
            for name in names
            if name not in (ERROR, DEFAULTS)
        }
        texts = pa.array([_text(output.get(DEFAULTS)) for output in self.listed], pa.string())
        return pa.table({**columns, DEFAULTS: texts})


@dataclass(frozen=True)
class Scored:
    """The answers to n records, in their order.

    Attributes:
        id: the request id of the whole table, with which those of its events begin.
        n: how many.
        parts: the answers.
        failed: by record, why it has none.
        routes: per record the router's choice, None where it made none.
        timings: by stage, microseconds for all records, where arrays were used.
        stalest, age_s: per record the entity of the oldest feature that its answer used, and its
            age in seconds; None and NaN where there is none.
    """

    id: str
    n: int
    parts: Sequence[Part]
    failed: Mapping[int, str]
    routes: Coded
    stalest: Coded
    age_s: Array
    timings: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.n

    @property
    def versions(self) -> list[str | None]:
        """The model version that answered each record, None where none did."""
        return self._versions().tolist()

    @property
    def errors(self) -> list[str | None]:
        """Why a record was not answered, None where it was."""
        errors: list[str | None] = [None] * self.n
        for place, error in self.failed.items():
            errors[place] = error
        return errors

    def outputs(self) -> list[dict[str, Any]]:
        """Per record what `POST /` of that record alone has in `outputs`, or {"error": …}."""
        outputs: list[Any] = [None] * self.n
        for part in self.parts:
            for place, output in zip(part.places.tolist(), part.outputs(), strict=True):
                outputs[place] = output
        for place, error in self.failed.items():
            outputs[place] = {ERROR: error}
        return outputs

    def table(self) -> pa.Table:
        """The outputs by column, then `error`, `version` and `defaults`; n rows.

        What stands for no value is null. `defaults` is JSON text, null where there were none.
        """
        import pyarrow as pa

        parts = [part.table() for part in self.parts]
        none = pa.table({DEFAULTS: pa.array([], pa.string())})
        answers = pa.concat_tables([*parts, none], promote_options="permissive")
        row = np.full(self.n, -1)
        places = [part.places for part in self.parts]
        row[np.concatenate([*places, np.zeros(0, int)])] = np.arange(len(answers))
        if not np.array_equal(row, np.arange(len(answers))):
            answers = answers.take(pa.array(row, mask=row < 0))
        defaults = answers.column_names.index(DEFAULTS)
        answers = answers.add_column(defaults, ERROR, pa.array(self.errors, pa.string()))
        return answers.add_column(defaults + 1, "version", _arrow(self._versions()))

    def _versions(self) -> Coded:
        return Coded(self.routes.codes, [choice.version for choice in self.routes.words])


def _list(column: Any) -> list[Any]:
    """A column's values; those of columns by label are mappings."""
    if isinstance(column, Mapping):
        lists = [values.tolist() for values in column.values()]
        return [dict(zip(column, row, strict=True)) for row in zip(*lists, strict=True)]
    values: list[Any] = column.tolist()
    return values


def _arrow(column: Any) -> pa.Array:
    import pyarrow as pa

    if isinstance(column, Mapping):
        return pa.StructArray.from_arrays([pa.array(c) for c in column.values()], list(column))
    if isinstance(column, Coded):
        codes = pa.array(column.codes, mask=column.null if column.null.any() else None)
        words = pa.array(column.words) if column.words else pa.array([], pa.string())
        return words.take(codes)
    return pa.array(column)


def _text(defaults: Mapping[str, str] | None) -> str | None:
    return orjson.dumps(defaults).decode() if defaults else None
