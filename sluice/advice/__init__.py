"""Which pattern a graph should be served by, with how many workers, and what that costs."""
