"""Metrics of all workers of a function, for Prometheus."""

from sluice.metrics.page import render
from sluice.metrics.registry import Registry, shared_folder

__all__ = ["Registry", "render", "shared_folder"]
