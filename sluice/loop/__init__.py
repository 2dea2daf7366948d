"""The loop: an alert or a calendar has a graph's models trained again, and what beats the champion
takes its place. docs/loop.md tells the rest.
"""
