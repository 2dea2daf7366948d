"""The HTTP surface: it lives in the handler, so it is the same on every host."""
