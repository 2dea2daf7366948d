"""Writes release-1.json and release-2.json: a release as older Sluices wrote it.

git worktree add --detach OLD 7fea1c0       # for the second one 332ee5d
PYTHONPATH=OLD python tests/golden/make_release.py OUT.json
"""

from __future__ import annotations

import sys
from pathlib import Path

from sluice.deploy.release import Release
from sluice.models.document import write_document

if __name__ == "__main__":
    release = Release("3", "late", "fused", "0123abcd", 2)
    Path(sys.argv[1]).write_bytes(write_document(release))
