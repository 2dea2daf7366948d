"""Playing a recorded time again: questions, events and labels in the order in which they came."""

from sluice.playback.recording import Events, Playback, Questions

__all__ = ["Events", "Playback", "Questions"]
