"""A new graph: its folder, its test and its line in project.yaml."""
