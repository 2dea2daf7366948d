"""What is wrong with a project: all of it at once, each with its file and line."""
