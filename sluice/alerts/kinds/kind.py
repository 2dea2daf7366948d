"""What every kind of condition does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from sluice.alerts.reading import Reading, Usual
from sluice.declaration import Section

if TYPE_CHECKING:
    from sluice.alerts.view import View

HOUR, DAY = 3600.0, 86_400.0


class Kind:
    """One way to look at windows.

    Attributes:
        severity, clear_for_s, cool_down_s, min_rows: of a condition that declares none.
        daily: whether it looks at whole days, when they are over; else at each window.
        by_version: whether its subjects are those of a version: they are over when that answers
            no more.
    """

    severity: ClassVar[str] = "ticket"
    clear_for_s: ClassVar[float] = 0.0
    cool_down_s: ClassVar[float] = 6 * HOUR
    min_rows: ClassVar[int] = 200
    daily: ClassVar[bool] = False
    by_version: ClassVar[bool] = False

    @classmethod
    def parse(cls, section: Section) -> Kind:
        """The kind with the fields of its own. Raises DeclarationError naming the field."""
        raise TypeError(f"{cls.__name__} does not define parse")

    def read(self, view: View, now: float, rows: int, before: Usual) -> Iterable[Reading]:
        """What can be said at `now` (epoch s), the end of a window, or of a day if `daily`.

        Args:
            view: what is known until then.
            now: the moment.
            rows: of less nothing is said.
            before: what was usual when the incidents opened that are open; what lasts does not
                become the measure of itself.
        """
        raise TypeError(f"{type(self).__name__} does not define read")


def within(section: Section, field: str, default: float, least: float, most: float) -> float:
    """A number in a range. Raises DeclarationError."""
    value = section.take(field, (int, float), default)
    if not least <= value <= most:
        raise section.error(field, f"expected {least:g} to {most:g}, found {value}")
    return float(value)
