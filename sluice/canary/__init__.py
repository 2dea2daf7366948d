"""Canary: a new version gets traffic by stages, and a sequential test decides.

What the router does with it is sluice/routing/canary.py; docs/routing/canary.md tells the rest.
"""
