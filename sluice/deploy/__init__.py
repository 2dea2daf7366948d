"""Deployment: what a cluster is told of a graph, and how a graph gets there.

The package can be called, as sluice.deploy("flight-delay"): see deployment.deploy.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Package(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        # Reading a part of this package must not import all of it.
        from sluice.deploy.deployment import deploy

        return deploy(*args, **options)


sys.modules[__name__].__class__ = _Package
