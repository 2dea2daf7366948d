"""From an MLRun serving function to a graph: its plan, its files, its versions."""
