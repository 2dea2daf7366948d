"""Drift: whether what a version is asked, and how well it answers, is still as it was in training.

Pure functions of counts and of daily figures (docs/drift.md): nothing here reads a stream or a
clock.

    compare     a window's counts beside the version's reference: which features have drifted
    changes     days of performance: when it became worse
    estimate    performance while labels are late
"""

from sluice.drift.distribution import Bins as Bins
from sluice.drift.estimate import Estimated as Estimated
from sluice.drift.estimate import estimate as estimate
from sluice.drift.performance import Change as Change
from sluice.drift.performance import Day as Day
from sluice.drift.performance import changes as changes
from sluice.drift.reference import Reference as Reference
from sluice.drift.report import DriftReport as DriftReport
from sluice.drift.report import FeatureDrift as FeatureDrift
from sluice.drift.report import compare as compare
from sluice.drift.settings import DriftSettings as DriftSettings
