"""Several model versions that answer a row together: who they are, and how their scores combine.

Plain data: a router writes it into its choice, the model step carries it out, the reply tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

MEAN, MEDIAN, VOTE, LOGISTIC, LINEAR = COMBINES = ("mean", "median", "vote", "logistic", "linear")


@dataclass(frozen=True, slots=True)
class Member:
    """A model version in a team.

    `name` is what the policy calls it (an alias), `version` its number. A member of weight 0 is
    watched: it predicts and its score is kept, but it has no part in the answer.
    """

    name: str
    version: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Team:
    """The members that answer a row, and how.

    Attributes:
        members: in the order in which their scores are added up.
        combine: how scores become one, in float64 (sluice/routing/ensemble_combine.py):
            mean: by the weights, whose sum need not be 1;
            median: the weighted median, of each class by itself;
            vote: the share of the weight that is for each class;
            logistic: the sigmoid of bias + Σ weight · logit(score); for more than two classes
            the softmax of Σ weight · log(score);
            linear: bias + Σ weight · score.
        bias: of logistic and linear.
        quorum: how many members with a weight must have answered, else the row has an error.
        budget_ms: how long a member may take for a request; None: as long as it does.
        left_out: the name of each member that has no part in the answer though the policy named
            it, and why.
    """

    members: tuple[Member, ...]
    combine: str = MEAN
    bias: float = 0.0
    quorum: int = 1
    budget_ms: float | None = None
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def version(self) -> str:
        """The numbers of the versions that have a part in the answer, each once: "1+3"."""
        return "+".join(dict.fromkeys(m.version for m in self.members if m.weight))

    def without(self, versions: Mapping[str, str]) -> Team:
        """The team less the members of some versions, by version why."""
        return self.less(
            {m.name: versions[m.version] for m in self.members if m.version in versions}
        )

    def less(self, names: Mapping[str, str]) -> Team:
        """The team less some members, by name why; the weights of the others grow.

        Their sum stays what it was, so that each that is left counts for more in proportion: the
        absent are thought to have said what the others say on average. Where the others' sum is
        not positive nobody can stand in, and they are given no weight.
        """
        if not names:
            return self
        left = [m for m in self.members if m.name not in names]
        whole, rest = _sum(self.members), _sum(left)
        scale = whole / rest if rest > 0 else 0.0
        left_out = (*self.left_out, *names.items())
        members = tuple(Member(m.name, m.version, m.weight * scale) for m in left)
        return Team(members, self.combine, self.bias, self.quorum, self.budget_ms, left_out)


def _sum(members: Iterable[Member]) -> float:
    return sum(member.weight for member in members)
