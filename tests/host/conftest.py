from pathlib import Path

import pytest


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where a host's standard error goes."""
    return tmp_path / "host.log"
