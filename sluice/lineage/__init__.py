"""Lineage: from data and code to a version, and from there to what it answered."""
