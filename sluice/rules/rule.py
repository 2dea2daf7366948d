"""The contract of rules.

Postprocess works in one of two ways, which its class_args decide.

*One output for a record* (no `items`): each row's scores become an output (sluice/reply.py), and
the rules, all of them an OutputRule, change it in their declared order.

*A ranked list for a record* (`items: {id: film, show: [film.title]}`): a record has a row per
candidate. For that

- enrich gives each record its candidates: `message.rows` has the record's index once per
  candidate, `values` a list per candidate in the order of `message.columns`: the record's own
  fields, then looked-up features. The column that `items.id` names (text or whole numbers) says
  which item a row is; what rules read of an item (category, date, group, popularity) are columns
  too, looked up because a version uses them or because features.yaml lists them under `fetch`;
- transform, router and model work by row as ever; a policy makes one choice for all rows of a
  record. A row's score is one number, the larger the better (regression's form; of two classes,
  the probability of the second);
- postprocess sorts a record's rows by score, ties by id, into a Ranking (ranking.py), and the
  rules, all of them a ListRule, make others of it in their declared order: they reorder, rescore
  and drop, and never invent;
- the reply's `outputs` has per record
  {"items": [{"id", "score", <show>…, "defaults"?}], "rules": [{"rule", "moved"?, "dropped"?,
  "unmet"?}], "defaults"?, "explain"?}. A record without candidates has no items.

Which rule wins, where two disagree:

1. what is dropped stays dropped (deny, allow, require, top_k);
2. what is pinned stays at its position, and the rules that follow rank around it; only a rule that
   forbids it (deny, allow, require) takes it away;
3. mmr, which chooses item after item, keeps to what quota, fresh and fair before it promise;
4. otherwise the later rule wins. At the end each rule is asked whether what it promises holds for
   the list as it is then; what does not is told in the reply's `rules`, under `unmet`.

What can be known to conflict without a request is an error when the graph is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import ne
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sluice.errors import nearest
from sluice.features.definitions import Definitions
from sluice.live import Version
from sluice.rules.ranking import Ranking

if TYPE_CHECKING:
    from sluice.application import Application

Output = dict[str, Any]
Columns = dict[str, Any]  # arrays [m], or Coded ones


class Row(NamedTuple):
    """What stands beside an output: who made it of what.

    For rows of a table each of `fields` is an array [m] or a Coded one, each of `defaults` an
    array [m] of codes, 0 for none, and `time` and `as_of` are arrays [m].

    Attributes:
        version: the model version that answered.
        fields: the row's values by the names of their columns.
        defaults: by column, why a default stands in.
        time: of the request, seconds since the epoch.
        as_of: what its look-ups are as of, seconds since the epoch.
    """

    version: Version
    fields: Mapping[str, Any]
    defaults: Mapping[str, Any] = {}
    time: Any = math.nan
    as_of: Any = math.nan


class Rule:
    """A rule has a name, and takes its parameters in `__init__` (ValueError for a bad one)."""

    rule: ClassVar[str]

    def fields(self) -> Sequence[str]:
        """The columns that it reads."""
        return ()

    def numbers(self) -> Sequence[str]:
        """Those of them that have to be numbers."""
        return ()

    def open(self, definitions: Definitions) -> None:
        """Look at the declarations, once, before the first answer.

        Raises ValueError where a parameter does not fit them.
        """
        types = column_types(definitions)
        for name in self.fields():
            if name not in types:
                raise ValueError(f"no column {name!r}: {nearest(name, types)}")
        for name in self.numbers():
            if types[name] == "string":
                raise ValueError(f"{name} is text: expected numbers")


class OutputRule(Rule):
    """Changes the output of one row. A subclass writes `apply`, and `apply_table` if it can."""

    def apply(self, output: Output, row: Row) -> None:
        """Change `output` in place; what it holds nested is replaced, not changed."""
        raise TypeError(f"{type(self).__name__} does not define apply")

    def apply_table(self, outputs: Columns, rows: Row) -> bool:
        """`apply` for the outputs of many rows, by column [m]; False if the rule has no such form.

        A subclass that writes it changes `outputs` in place, and returns True.
        """
        return False

    def start(self, application: Application) -> None:
        """Called once, after `open`: for what a rule reads while it serves. Raises ValueError."""

    def why(self, before: Output, after: Output, row: Row) -> str:
        """Why it made `after` of `before`, for a request that wants explanations."""
        names = [name for name in after if before.get(name) != after[name]]
        return f"changed {', '.join(names)}" if names else "nothing to change"


class ListRule(Rule):
    """Changes a ranked list. A subclass writes `rank`; one that promises something, `unmet`.

    `rank` gives the same list for the same items whatever order they came in, has no item that it
    was not handed, and makes its change by `Ranking.ordered`, `without`, `rescored` or `holding`,
    which keep to what is pinned. It drops items or reorders them, not both.
    """

    def rank(self, ranking: Ranking) -> Ranking:
        """The list after the rule; `ranking` itself stays as it is."""
        raise TypeError(f"{type(self).__name__} does not define rank")

    def unmet(self, before: Ranking, last: Ranking) -> str:
        """What of its promise, made when it was handed `before`, does not hold for the list at the
        end; empty where all does."""
        return ""

    def why_ranked(self, before: Ranking, after: Ranking) -> str:
        """Why it made `after` of `before`, for a request that wants explanations."""
        dropped, moved = len(before) - len(after), moves(before, after)
        told = [f"{moved} moved"] * bool(moved) + [f"{dropped} dropped"] * bool(dropped)
        return ", ".join(told) or "nothing to change"


def column_types(definitions: Definitions) -> dict[str, str]:
    """The type of each column that every row has: the record's fields that are no arrays, and what
    is fetched."""
    fields = definitions.record.fields
    types = {field.name: field.type for field in fields if not field.shape}
    return types | {name: definitions.features[name].type for name in definitions.fetch}


def moves(before: Ranking, after: Ranking) -> int:
    """How many items have another position than dropping alone would have given them."""
    left = before.places
    if len(after) < len(before):
        if not before.held:  # a rule that drops does not reorder
            return 0
        kept = set(after.places)
        left = [place for place in left if place in kept]
    return 0 if left == after.places else sum(map(ne, left, after.places))
