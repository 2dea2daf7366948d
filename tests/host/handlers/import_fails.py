"""Can't be imported."""

raise ImportError("no module named teapot")
