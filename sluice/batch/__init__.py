"""Batch: tables of records through a graph, from files and from databases."""
