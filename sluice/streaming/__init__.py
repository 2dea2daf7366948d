"""The stream pattern: a graph's requests worked off a topic, its predictions put on another."""
