"""Drift: whether what a version is asked, and how well it answers, is still as it was in training.

Pure functions of counts and of daily sums (docs/drift.md): nothing here reads a stream or a clock.
"""
