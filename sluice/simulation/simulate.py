"""A simulation from its first day to its report and picture."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from sluice.errors import SluiceError
from sluice.parameters import Parameters
from sluice.playback.recording import Questions, load_playback
from sluice.project import Project
from sluice.service import read_spec
from sluice.simulation.days import DAY, days
from sluice.simulation.models import prepare
from sluice.simulation.picture import draw
from sluice.simulation.plan import Plan, project_of
from sluice.simulation.report import Report, report
from sluice.simulation.state import State
from sluice.windows.windows import Windows


def simulate(
    project: Project, plan: Plan, clock: Callable[[], float] = time.monotonic
) -> Report:  # fmt: skip
    """Simulate a plan, from where an earlier run of the same stopped; write report and picture.

    Raises DeclarationError, SluiceError for a state of another simulation, and what training and
    the parts raise.
    """
    simulated = project_of(project, plan)
    declared = replace(simulated, graphs=project.graphs)
    spec = read_spec(simulated, plan.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    questions = _sampled(load_playback(declared, parameters).questions(plan.start, plan.end), plan)
    state = State.load(plan.out / "state.npz", plan.what, len(questions))
    began = clock()
    prepare(simulated, parameters, plan)
    with days((simulated, declared), parameters, plan, questions, state) as (played, parts):
        _play(plan, questions, state, played.play)
        played.finish()
        with Windows.open(simulated, plan.graph) as windows:
            counters = windows.counters()
        found = report(questions, state, parts, counters, clock() - began)
    (plan.out / "simulation.json").write_bytes(found.dump())
    draw(found, plan.out / "simulate.png")
    return found


def forget(plan: Plan) -> None:
    """Remove the state of an earlier run."""
    (plan.out / "state.npz").unlink(missing_ok=True)
    shutil.rmtree(plan.out / "state", ignore_errors=True)


def _sampled(questions: Questions, plan: Plan) -> Questions:
    if not len(questions):
        raise SluiceError(f"{plan.graph} has no questions from {plan.start} to before {plan.end}")
    which = slice(None, None, plan.sample)
    return Questions(
        asked=questions.asked[which],
        records=questions.records[which],
        labels=questions.labels[which],
        known=questions.known[which],
        periods=questions.periods[which],
        classes=questions.classes,
    )


def _play(
    plan: Plan, questions: Questions, state: State, play: Callable[[float], None]
) -> None:  # fmt: skip
    from tqdm import tqdm

    begin = float(questions.asked[0]) // DAY * DAY
    last = float(questions.asked[-1]) // DAY * DAY
    done = int(state.day - begin) // int(DAY) if state.day else 0
    total = int((last - begin) / DAY) + 1
    with tqdm(total=total, initial=done, unit="day", disable=not plan.progress) as bar:
        for number in range(done, total):
            day = begin + number * DAY
            bar.set_description(f"{datetime.fromtimestamp(day, UTC):%d %b}")
            play(day)
            state.save(plan.out / "state.npz")
            bar.update()
