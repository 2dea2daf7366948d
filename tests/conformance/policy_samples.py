"""Declarations of every policy: a policy joins the checks of test_policies.py by being here."""

from __future__ import annotations

from typing import Any

BOTH = ["champion", "challenger"]
SAMPLES: dict[str, list[dict[str, Any]]] = {
    "canary": [
        {"stages": [{"share": 0.1}]},
        {"stages": [{"share": 0.1}, {"share": 0.5}], "key": "city"},
    ],
    "champion": [{}],
    "ensemble": [
        {"members": BOTH},
        {"members": {"champion": 3, "challenger": 1}, "quorum": 1},
        {"members": {"champion": 0.7, "challenger": 1.3}, "combine": "logistic", "bias": -0.1},
        {"members": {"champion": 2, "challenger": 1}, "combine": "median"},
        {"members": BOTH, "combine": "vote"},
        {"members": {"champion": 1, "challenger": 0}, "budget_ms": 10_000},
        {"members": [*BOTH, "nobody"]},
    ],
    "epsilon_greedy": [{"arms": BOTH}],
    "hedge": [{"arms": BOTH}, {"arms": [*BOTH, "nobody"], "share": 0.1}],
    "linear_thompson": [{"arms": BOTH, "columns": {"visits": {}}}],
    "linucb": [{"arms": BOTH, "columns": {"visits": {}}}],
    "online_stack": [{"arms": BOTH}],
    "rules": [
        {
            "rules": [
                {"when": {"field": "city", "op": "==", "value": "Bonn"}, "to": "challenger"},
                {
                    "name": "many",
                    "when": {"any": [
                        {"field": "visits", "op": ">=", "value": 5},
                        {"field": "visits", "op": "missing"},
                        {"not": {"time": "hour", "op": "between", "value": [0, 22]}},
                    ]},
                    "to": {"policy": "ensemble", "members": BOTH},
                },
                {
                    "when": {"field": "member", "op": "==", "value": True},
                    "to": {"policy": "weights", "versions": {"champion": 1, "challenger": 1}},
                },
                {"when": {"field": "amount", "op": "<", "value": 200}, "to": "nobody"},
            ],
            "default": "champion",
        },
    ],
    "thompson": [{"arms": BOTH, "family": "gaussian"}],
    "ucb1": [{"arms": {"champion": {"floor": 0.1}, "challenger": {"ceiling": 0.5}}}],
    "weights": [
        {"versions": {"champion": 1}},
        {"versions": {"champion": 0.9, "challenger": 0.1}},
        {"versions": {"champion": 3, "challenger": 1}, "key": "city"},
        {"versions": {"champion": 1, "nobody": 1}, "key": "visits"},
        {"versions": {"challenger": 1, "champion": 0}},
    ],
}  # fmt: skip
