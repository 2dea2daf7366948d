"""Routing policies: which model version answers a row."""

from sluice.routing.policy import Policy, make_policy

__all__ = ["Policy", "make_policy"]
