"""The trained ranking graph of tests/serving_graphs."""

from tests.serving_graphs.conftest import films, stand_in

__all__ = ["films", "stand_in"]
