"""Files that were fetched from a model store, by their sums, so that none is fetched twice."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from pathlib import Path

log = logging.getLogger("sluice.models")


class Cache:
    """A folder of files named by their SHA-256 sums; None: nothing is kept.

    Processes may share it, and it may be deleted at any moment. What is read is checked; a folder
    that cannot be written is told in the log, and done without.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, sha256: str) -> bytes | None:
        """The file with this sum, if it is there and undamaged."""
        if self._folder is None:
            return None
        try:
            data = (self._folder / sha256).read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == sha256 else None

    def keep(self, sha256: str, data: bytes) -> None:
        """Keep a file that has this sum, unless it is there."""
        if self._folder is None or self.get(sha256) is not None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).replace(self._folder / sha256)
        except OSError as error:
            log.warning("model files are not kept in %s: %s", self._folder, error)
