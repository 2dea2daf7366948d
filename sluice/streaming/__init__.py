"""The stream pattern: a graph's requests worked off a topic, its predictions put on another."""

from sluice.streaming.desk import PASSING, Desk, Limits
from sluice.streaming.meter import StreamMeter
from sluice.streaming.topics import Topics
from sluice.streaming.worker import Summary, Worker

__all__ = ["PASSING", "Desk", "Limits", "StreamMeter", "Summary", "Topics", "Worker"]
