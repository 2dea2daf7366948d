"""Deployment: what a cluster is told of a graph."""
