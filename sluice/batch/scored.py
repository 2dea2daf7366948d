"""What a table of records came to, by column and by record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Scored:
    """The answers to n records, in their order.

    Attributes:
        id: the request id of the whole table, by which its monitoring events are found.
        versions: the model version that answered each record, None where none did.
        errors: why a record was not answered, None where it was.
    """

    id: str
    versions: Sequence[str | None]
    errors: Sequence[str | None]
    _outputs: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.errors)

    def outputs(self) -> list[dict[str, Any]]:
        """Per record what `POST /` of that record alone has in `outputs`, or {"error": …}."""
        return self._outputs

    def table(self) -> pa.Table:
        """The outputs by column, then `error`, `version` and `defaults`; n rows.

        What stands for no value is null. `defaults` is JSON text, null where there were none.
        """
        import pyarrow as pa

        answers = [{k: v for k, v in o.items() if k not in _APART} for o in self._outputs]
        names = dict.fromkeys(name for answer in answers for name in answer)
        columns = {name: pa.array([a.get(name) for a in answers]) for name in names}
        return pa.table(
            {
                **columns,
                "error": pa.array(self.errors, pa.string()),
                "version": pa.array(self.versions, pa.string()),
                "defaults": pa.array(
                    [_text(o.get("defaults")) for o in self._outputs], pa.string()
                ),
            }
        )


_APART = ("error", "defaults")


def _text(defaults: Mapping[str, str] | None) -> str | None:
    return orjson.dumps(defaults).decode() if defaults else None
