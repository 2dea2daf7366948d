"""Windows that are old become days, and days that are old go."""

from __future__ import annotations

from typing import Any

from sluice.windows import state
from sluice.windows.cell import Cell
from sluice.windows.declared import DAY_S
from sluice.windows.views import Key


def roll(txn: Any, until: float) -> bool:
    """Add the windows of one day that ended before a moment (epoch s) to it; whether there was."""
    rolled = state.rolled(txn)
    oldest = next((key.start for key, _ in state.cells(txn, state.WINDOW, rolled, 1 << 62)), None)
    end = int(max(0.0, until) // DAY_S) * DAY_S
    if oldest is None or oldest >= end:
        if end > rolled:
            state.put_rolled(txn, end)
        return False
    day = oldest // DAY_S * DAY_S
    for key, data in list(state.cells(txn, state.WINDOW, oldest, day + DAY_S)):
        state.merge_cell(txn, state.DAY, Key(day, key.version, key.segment), Cell.unpack(data))
        txn.delete(state.cell_name(state.WINDOW, key))
    state.put_rolled(txn, day + DAY_S)
    return True


def drop_days(txn: Any, until: float) -> None:
    """Drop the days before a moment."""
    for key, _ in list(state.cells(txn, state.DAY, 0, int(until - DAY_S) + 1)):
        txn.delete(state.cell_name(state.DAY, key))
