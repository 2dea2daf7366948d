"""What is known of list rules to conflict before there is a request."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.rules.rule import ListRule


def conflict(rules: Sequence[ListRule]) -> str:
    """The first conflict among rules in their order, or nothing."""
    return ""
