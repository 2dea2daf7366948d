"""Sluice: serving graphs for machine-learning models, made of serverless functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.service import Service, load

__version__ = "0.1.0"
__all__ = ["Service", "__version__", "load"]


def __getattr__(name: str) -> Any:
    # Importing a part of Sluice must not import all of it.
    if name in ("Service", "load"):
        from sluice import service

        return getattr(service, name)
    raise AttributeError(f"module 'sluice' has no attribute {name!r}")
