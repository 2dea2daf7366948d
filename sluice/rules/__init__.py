"""Business rules: what the application makes of a model's output."""

from sluice.rules.make import list_rules, output_rules
from sluice.rules.ranking import Items, Ranking
from sluice.rules.rule import ListRule, OutputRule, Row, Rule

__all__ = [
    "Items", "ListRule", "OutputRule", "Ranking", "Row", "Rule", "list_rules", "output_rules",
]  # fmt: skip
