"""Business rules: what the application makes of a model's output."""

from sluice.rules.rule import Rule, make_rules

__all__ = ["Rule", "make_rules"]
