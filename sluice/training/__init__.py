"""Training: from requests with labels to model versions that may be served."""

from sluice.training.training import Candidate, Training

__all__ = ["Candidate", "Training"]
