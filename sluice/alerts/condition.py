"""A declared condition: what is looked at, and when that becomes an incident."""

from __future__ import annotations

from dataclasses import dataclass

from sluice.alerts.kinds import KINDS, Kind
from sluice.declaration import Section

SEVERITIES = ("info", "ticket", "page")
LONGEST = 366 * 86_400.0


@dataclass(frozen=True)
class Condition:
    """What is watched, and how patiently; times are in seconds, of events.

    Attributes:
        name: names it, in incidents and on the page.
        watch: its kind, of KINDS.
        kind: the same with its own fields.
        severity: of SEVERITIES.
        group: what opens at one look in one group is told in one notice.
        for_s: it holds for so long before an incident opens.
        clear_for_s: it is over for so long before that closes.
        cool_down_s: no second notice of one subject within so long.
        min_rows: of less nothing is said.
        segment: such as "origin=EWR"; empty: all records.
    """

    name: str
    watch: str
    kind: Kind
    severity: str
    group: str
    for_s: float
    clear_for_s: float
    cool_down_s: float
    min_rows: int
    segment: str = ""

    @classmethod
    def parse(cls, section: Section) -> Condition:
        """The condition in a section. Raises DeclarationError naming the field."""
        watch = section.choose("watch", KINDS)
        made = KINDS[watch]
        condition = cls(
            name=section.take("name", str, watch),
            watch=watch,
            severity=section.choose("severity", SEVERITIES, made.severity),
            group=section.take("group", str, watch),
            for_s=section.duration("for", 0.0),
            clear_for_s=section.duration("clear_for", made.clear_for_s),
            cool_down_s=section.duration("cool_down", made.cool_down_s),
            min_rows=section.take("min_rows", int, made.min_rows),
            segment=section.take("segment", str, ""),
            kind=made.parse(section),
        )
        section.done()
        condition._check(section)
        return condition

    def _check(self, section: Section) -> None:
        for field, value in (
            ("for", self.for_s), ("clear_for", self.clear_for_s), ("cool_down", self.cool_down_s),
        ):  # fmt: skip
            if value > LONGEST:
                raise section.error(field, f"expected up to 366d, found {value:g}s")
        if self.min_rows < 1:
            raise section.error("min_rows", f"expected 1 or more, found {self.min_rows}")
        if not self.name or "\0" in self.name + self.segment:
            raise section.error("name", "expected a name")
