"""One file for each format that a model may be kept in."""
