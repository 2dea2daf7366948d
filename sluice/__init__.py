"""Sluice: serving graphs for machine-learning models, made of serverless functions."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sluice.deploy.deployment import Deployment, deploy
    from sluice.service import Service, load

__version__ = "0.1.0"
__all__ = ["Deployment", "Service", "__version__", "deploy", "load"]


def __getattr__(name: str) -> Any:
    # Importing a part of Sluice must not import all of it.
    if name in ("Service", "load"):
        from sluice import service

        return getattr(service, name)
    if name == "deploy":
        return importlib.import_module("sluice.deploy")
    if name == "Deployment":
        from sluice.deploy import deployment

        return deployment.Deployment
    raise AttributeError(f"module 'sluice' has no attribute {name!r}")
