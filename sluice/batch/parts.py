"""The parts of an output file, one per chunk, written durably: a killed job can go on.

They lie in a folder with a manifest that says what they are parts of:

    manifest.json       format, what is read, how large the chunks are
    part-000000.parquet the answers to the first chunk; a part that is there is whole
    input               what was fetched from elsewhere
    lock                held by the job that writes
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.errors import DeclarationError, SluiceError

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
_GROUP = 200_000  # rows of a group in the merged file
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
            write_durably(file, json.dumps(about, indent=1).encode())

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

    def done(self, number: int) -> tuple[int, int] | None:
        """The rows of a part and how many of them failed; None if it is not there."""
        import pyarrow.parquet as pq

        file = self._file(number)
        if not file.is_file():
            return None
        metadata = pq.read_metadata(file)
        return metadata.num_rows, int((metadata.metadata or {}).get(_FAILED, b"0"))

    def write(self, number: int, table: pa.Table, failed: int) -> None:
        """Write a part; when this returns, no kill and no power cut takes it away."""
        import pyarrow.parquet as pq

        table = table.replace_schema_metadata({_FAILED: str(failed)})
        temporary = self.folder / "part.tmp"
        with temporary.open("wb") as opened:
            pq.write_table(table, opened)
            opened.flush()
            os.fsync(opened.fileno())
        temporary.replace(self._file(number))
        sync(self.folder)

    def merge(self, count: int) -> Path:
        """One file of the first `count` parts, written durably, in the folder."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = [self._file(number) for number in range(count)]
        schemas = [pq.read_schema(file).remove_metadata() for file in files]
        schema = pa.unify_schemas(schemas or [pa.schema([])], promote_options="permissive")
        merged, held, rows = self.folder / "merged.tmp", [], 0
        with merged.open("wb") as opened:
            with pq.ParquetWriter(opened, schema) as writer:
                for file in files:
                    held.append(_as(pq.read_table(file, use_threads=False), schema))
                    rows += len(held[-1])
                    if rows >= _GROUP:
                        writer.write_table(pa.concat_tables(held))
                        held, rows = [], 0
                if rows:
                    writer.write_table(pa.concat_tables(held))
            opened.flush()
            os.fsync(opened.fileno())
        return merged

    def remove(self) -> None:
        """Throw the parts away."""
        shutil.rmtree(self.folder)

    def close(self) -> None:
        """Let another job write there."""
        os.close(self._lock)

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.parquet"


def _as(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of a schema; those that it has not are null."""
    import pyarrow as pa

    names = set(table.column_names)
    columns = [
        table[f.name].cast(f.type) if f.name in names else pa.nulls(len(table), f.type)
        for f in schema
    ]
    return pa.table(columns, schema=schema)


def write_durably(file: Path, data: bytes) -> None:
    """Write a small file whole or not at all."""
    temporary = file.with_name(file.name + ".tmp")
    with temporary.open("wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    temporary.replace(file)
    sync(file.parent)


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
