"""Monitoring events: built from an Observation, emitted to a stream, never in a reply's way."""
