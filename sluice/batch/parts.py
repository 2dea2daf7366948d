"""The parts of an output file, one per chunk, written durably: a killed job can go on.

They lie in a folder with a manifest that says what they are parts of:

    manifest.json       format, what is read, how large the chunks are
    part-000000.arrow   the answers to the first chunk; a part that is there is whole
    input               what was fetched from elsewhere
    lock                held by the job that writes
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.durable import replace, sync
from sluice.errors import DeclarationError, SluiceError

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
_FAILED = b"sluice.failed"


class Parts:
    """The parts in a folder.

    Args:
        folder: made if it is not there.
        about: what the parts are parts of, JSON-able. Parts of something else are thrown away.
        resume: whether parts of the same are kept.

    Raises SluiceError when another job is writing there, DeclarationError for parts of a newer
    format.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any], resume: bool) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise SluiceError(f"{folder}: another job is writing this output") from None
        try:
            self._begin({"format": FORMAT, **about}, resume)
        except BaseException:
            self.close()
            raise

    def _begin(self, about: dict[str, Any], resume: bool) -> None:
        file = self.folder / "manifest.json"
        found = self._manifest(file)
        if found != about or not resume:
            for path in self.folder.iterdir():
                if path.name != "lock":
                    path.unlink()
            replace(file, json.dumps(about, indent=1).encode())

    def _manifest(self, file: Path) -> Any:
        try:
            found = json.loads(file.read_bytes())
        except (FileNotFoundError, ValueError):  # none yet, or half of one
            return None
        version = found.get("format") if isinstance(found, dict) else None
        if isinstance(version, int) and version > FORMAT:
            hint = f"this Sluice reads up to {FORMAT}: use a newer one, or another output"
            raise DeclarationError(file, "format", f"is {version}", hint)
        return found

    def done(self, number: int) -> int | None:
        """How many rows of a part failed; None if it is not there."""
        import pyarrow as pa

        try:
            with pa.memory_map(str(self._file(number))) as opened:
                metadata = pa.ipc.open_file(opened).schema.metadata
        except FileNotFoundError:
            return None
        return int(metadata[_FAILED])

    def write(self, number: int, table: pa.Table, failed: int) -> None:
        """Write a part; when this returns, no kill and no power cut takes it away."""
        import pyarrow as pa

        table = table.replace_schema_metadata({_FAILED: str(failed)})
        temporary = self.folder / "part.tmp"
        with temporary.open("wb") as opened:
            with pa.ipc.new_file(opened, table.schema) as writer:
                writer.write_table(table)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(self._file(number))
        sync(self.folder)

    def merge(self, count: int) -> Path:
        """One Parquet file of the first `count` parts, written durably, in the folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schemas = [part.schema.remove_metadata() for part in self._read(count)]
        schema = pa.unify_schemas(schemas or [pa.schema([])], promote_options="permissive")
        texts = [f.name for f in schema if pa.types.is_string(f.type)]
        merged = self.folder / "merged.tmp"
        with merged.open("wb") as opened:
            with pq.ParquetWriter(opened, schema, use_dictionary=texts) as writer:
                for part in self._read(count):
                    writer.write_table(_as(part, schema))
            opened.flush()
            os.fsync(opened.fileno())
        return merged

    def _read(self, count: int) -> Iterator[pa.Table]:
        import pyarrow as pa

        for number in range(count):
            with pa.memory_map(str(self._file(number))) as opened:
                yield pa.ipc.open_file(opened).read_all()

    def remove(self) -> None:
        """Throw the parts away."""
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Let another job write there."""
        os.close(self._lock)

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.arrow"


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of a schema; those that it has not are null."""
    import pyarrow as pa

    names = set(table.column_names)
    columns = [
        table[f.name].cast(f.type) if f.name in names else pa.nulls(len(table), f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)
