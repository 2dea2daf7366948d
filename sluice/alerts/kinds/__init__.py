"""What a condition may look at, by the name that `watch` gives it."""

from collections.abc import Mapping

from sluice.alerts.kinds.change import Changed
from sluice.alerts.kinds.defaults import Defaults, Nulls, Stale
from sluice.alerts.kinds.drifted import Drifted
from sluice.alerts.kinds.estimated import EstimatedLoss
from sluice.alerts.kinds.kind import Kind as Kind
from sluice.alerts.kinds.latency import Latency
from sluice.alerts.kinds.metric import Metric
from sluice.alerts.kinds.shares import ErrorShare, RefusedShare, RouteShare
from sluice.alerts.kinds.traffic import Traffic

KINDS: Mapping[str, type[Kind]] = {
    "error_share": ErrorShare,
    "refused_share": RefusedShare,
    "route_share": RouteShare,
    "latency": Latency,
    "defaults": Defaults,
    "stale": Stale,
    "nulls": Nulls,
    "traffic": Traffic,
    "drift": Drifted,
    "change": Changed,
    "metric": Metric,
    "estimate": EstimatedLoss,
}
