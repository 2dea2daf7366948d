"""The step contract: what a step of a serving graph looks like, for MLRun's engines and ours.

A step is any plain class with

    __init__(self, context=None, name=None, **class_args)   cheap: keeps its arguments
    post_init(self, mode="sync", **_)                       optional: loads what it needs
    do(self, body) -> body                                  one event
    do_table(self, block) -> block                          optional: many records by column, as
                                                            batch wants them (sluice/batch/block.py)

`Step` is a base that takes care of what both engines inject into class_args. It imports nothing.
"""

from __future__ import annotations

from typing import Any, ClassVar

# MLRun passes these along with class_args; they belong to the engine, not to the step.
INJECTED = frozenset({"full_event", "graph_step", "input_path", "result_path"})


class Step:
    """A base for steps: names itself, refuses class_args that it does not know.

    Args:
        context: the engine's context; `get_param(name, default)` reads the graph's parameters.
        name: the step's name in the graph.
        **class_args: only what the engine injects; a subclass names its own.

    Attributes:
        many: whether `do` takes a message that several requests share (sluice/parts.py). A stream
            goes through a graph in micro-batches where every step says so, else one by one.
        tables: whether `do_table`, where there is one, holds for this step's class_args.

    Raises:
        TypeError: for a class_arg that neither the subclass nor an engine knows.
    """

    many: ClassVar[bool] = False
    tables: bool = True

    def __init__(self, context: Any = None, name: str | None = None, **class_args: Any) -> None:
        unknown = sorted(set(class_args) - INJECTED)
        if unknown:
            raise TypeError(f"{type(self).__name__} has no class_arg {', '.join(unknown)}")
        self.context = context
        self.name = name or type(self).__name__.lower()

    def post_init(self, mode: str = "sync", **_: Any) -> None:
        """Load what `do` needs; called once, before the first event."""

    def do(self, body: Any) -> Any:
        """Answer one event's body."""
        raise TypeError(f"{type(self).__name__} does not define do(body)")
