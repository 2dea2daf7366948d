"""A sweep from end to end: settings, a model per split, every question, the report."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from tqdm import tqdm

from sluice import __version__
from sluice.application import Application
from sluice.errors import DeclarationError
from sluice.features.definitions import Definitions
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.rules import ListRule, list_rules
from sluice.rules.make import open_rules
from sluice.service import read_spec
from sluice.training.dataset import build_dataset
from sluice.training.fit import Fitting
from sluice.training.training import load_training
from sluice.tuning.judge import Judge, Question, questions
from sluice.tuning.report import Tried, as_data, report
from sluice.tuning.results import Results
from sluice.tuning.sweep import Setting, Sweep, settings
from sluice.tuning.tuning import SPLITS, load_tuning

FORMAT = 1


@dataclass(frozen=True)
class Plan:
    """What to sweep.

    Attributes:
        sweep: rule → parameter → values; empty: what the graph's Tuning says.
        out: the folder for results, frontier.json and frontier.png.
        most: of each split so many questions at most, chosen by the project's seed; 0: all.
        allowed: the share of relevance that the chosen setting may cost.
        from_start: forget what an earlier run measured.
    """

    graph: str
    sweep: Sweep
    out: Path
    most: int = 0
    allowed: float = 0.05
    from_start: bool = False


class Run:
    """One sweep of a project's ranking graph. Raises DeclarationError, NotFound, SluiceError."""

    def __init__(self, project: Project, plan: Plan) -> None:
        spec = read_spec(project, plan.graph)
        self._project, self._plan = project, plan
        self._parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
        self._tuning = load_tuning(project, self._parameters)
        self._training = load_training(project, self._parameters)
        ranked = [step for step in spec.steps if "items" in step.class_args]
        if not ranked:
            problem = "no step has class_arg `items`: only rules of ranked lists are tuned"
            raise DeclarationError(spec.file, "spec.graph.steps", problem)
        arguments = ranked[-1].class_args
        self._item = str(arguments["items"]["id"])
        sweep = plan.sweep or self._tuning.sweep
        self.settings = settings(arguments.get("rules", ()), sweep, self._tuning.fixed)

    def __call__(self, progress: bool = True) -> list[Tried]:
        """Measure what is not yet measured, then report; writes results.jsonl, frontier.json and
        frontier.png."""
        from sluice.tuning.picture import draw

        file = self._plan.out / "results.jsonl"
        if self._plan.from_start:
            file.unlink(missing_ok=True)
        application = Application.open(self._project, self._parameters)
        try:
            rules = _opened(self.settings, application.definitions)
            results = Results(file, self._key(application))
            for split in SPLITS:
                self._split(split, application, rules, results, progress)
        finally:
            application.close()
        seed = self._project.settings.seed
        tried = report(self.settings, results.done, self._plan.allowed, seed)
        content = {"format": FORMAT, "graph": self._plan.graph, "settings": as_data(tried)}
        data = orjson.dumps(content, option=orjson.OPT_INDENT_2)
        (self._plan.out / "frontier.json").write_bytes(data)
        draw(tried, self._tuning, self._plan.out / "frontier.png", self._plan.graph)
        return tried

    def _key(self, application: Application) -> str:
        """What results depend on, beside their setting."""
        champion = application.live().champion.manifest
        kept = {
            "sluice": __version__,
            "graph": self._plan.graph,
            "estimator": champion.training["estimator"],
            "definitions": champion.definitions,
            "windows": self._tuning.windows,
            "measured": [self._tuning.alike, self._tuning.date, self._tuning.today],
            "group": [self._tuning.group, self._tuning.k],
            "most": self._plan.most,
            "seed": self._project.settings.seed,
            "rules": [(s.name, s.rules) for s in self.settings[:1]],
            "fixed": self._tuning.fixed,
        }
        return hashlib.sha256(orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def _split(
        self,
        split: str,
        application: Application,
        rules: Mapping[str, Sequence[ListRule]],
        results: Results,
        progress: bool,
    ) -> None:
        tuning, root = self._tuning, self._project.root
        data = build_dataset(application.definitions, self._training, root, tuning.windows[split])
        asked = self._sampled(questions(data, self._item))
        missing = {
            place: {n: r for n, r in rules.items() if n not in results.done.get((split, place), {})}
            for place in range(len(asked))
        }
        missing = {place: left for place, left in missing.items() if left}
        if not missing:
            return
        seed = self._project.settings.seed
        fitting = Fitting(self._training, application.definitions, data, seed)
        judge = Judge.fitted(self._project, application, fitting, tuning, self._item)
        for place, left in tqdm(missing.items(), split, disable=not progress, unit="list"):
            results.add(split, place, judge.measure(asked[place], left))

    def _sampled(self, asked: list[Question]) -> list[Question]:
        if not 0 < self._plan.most < len(asked):
            return asked
        order = np.random.default_rng(self._project.settings.seed).permutation(len(asked))
        return [asked[place] for place in sorted(order[: self._plan.most].tolist())]


def _opened(tried: Sequence[Setting], definitions: Definitions) -> dict[str, Sequence[ListRule]]:
    """The rules of each setting, checked as when a graph is loaded. Raises DeclarationError."""
    made: dict[str, Sequence[ListRule]] = {}
    for setting in tried:
        rules: Any = list_rules(setting.rules, setting.name)
        open_rules(rules, definitions, setting.name)
        made[setting.name] = rules
    return made
