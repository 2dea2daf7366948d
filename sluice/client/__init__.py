"""Clients of the patterns: records in, answers out, with nothing of the serving imported."""
