"""Steps for the comparison of MLRun's engines with ours; none knows which of them runs it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class Add:
    """Adds `by`; its result shows what it was constructed with."""

    def __init__(self, by: int = 1) -> None:
        self.by = by

    def do(self, body: Any) -> Any:
        return body + self.by


class Wrap:
    def __init__(self, key: str = "wrapped") -> None:
        self.key = key

    def do(self, body: Any) -> Any:
        return {self.key: body}


class Give:
    """Gives a fixed value."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def do(self, body: Any) -> Any:
        return self.value


class Raise:
    def do(self, body: Any) -> Any:
        raise ValueError("bad")


class RaiseFrom:
    def do(self, body: Any) -> Any:
        raise LookupError("outer") from KeyError("inner")


class Construction:
    """Shows what the engine constructs and loads a step with."""

    def __init__(self, context: Any, name: str, own: Any = None, **injected: Any) -> None:
        self.shown: dict[str, Any] = {"name": name, "own": own, "param": context.get_param("p")}
        self.shown |= {key: injected[key] for key in ("full_event", "input_path", "result_path")}
        self.shown["step"] = injected["graph_step"].name
        self.shown["injected"] = sorted(injected)

    def post_init(self, mode: str, **loaded: Any) -> None:
        self.shown["mode"] = mode
        self.shown["strategy"] = str(getattr(loaded["creation_strategy"], "value", "skip"))
        self.shown["endpoint"] = int(loaded["endpoint_type"])
        self.shown["loaded"] = sorted(loaded)

    def do(self, body: Any) -> Any:
        return self.shown


class Positional:
    """Takes some of what engines inject, and no more."""

    def __init__(self, name: str, result_path: str | None) -> None:
        self.shown = [name, result_path]

    def do(self, body: Any) -> Any:
        return {**body, "shown": self.shown}


class Ways:
    """Has each of the methods that an engine looks for."""

    def do(self, body: Any) -> Any:
        return "do"

    def do_event(self, event: Any) -> Any:
        event.body = "do_event"
        return event

    def other(self, body: Any) -> Any:
        return "other"


class Context:
    """Reads parameters and secrets."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def do(self, body: Any) -> Any:
        context = self.context
        params = [context.get_param("p"), context.get_param("none"), context.get_param("none", 7)]
        secrets = [context.get_secret(name) for name in ("s", "x_t", "u", "none")]
        return {"params": params, "secrets": secrets, "verbose": context.verbose}


class Reply:
    """Answers with a Response."""

    def __init__(self, context: Any) -> None:
        self.context = context

    def do(self, body: Any) -> Any:
        return self.context.Response(body=f"got {body}", status_code=418, content_type="text/x")


class ReplyToEvent(Reply):
    def do(self, body: Any) -> Any:
        return super().do(body.body)


class ShowEvent:
    """Shows the event that it gets."""

    def do(self, event: Any) -> Any:
        names = ("id", "path", "method", "content_type")
        event.body = {name: getattr(event, name) for name in names} | {"body": repr(event.body)}
        return event


class End:
    """Ends the graph."""

    def do(self, event: Any) -> Any:
        event.body, event.terminated = "ended", True
        return event


class Bare:
    """Takes the event, gives a bare value."""

    def do(self, event: Any) -> Any:
        return {"bare": event.body}


class Catch:
    """An error handler that gives a bare value."""

    def do(self, event: Any) -> Any:
        return {"error": event.error, "origin": event.origin_state, "body": event.body}


class CatchEvent:
    """An error handler that gives the event."""

    def do(self, event: Any) -> Any:
        event.body = {"caught": event.body}
        return event


class CatchAndEnd:
    def do(self, event: Any) -> Any:
        event.terminated = True
        return "ended"


class Outlets(Wrap):
    def select_outlets(self, body: Any) -> list[str]:
        return []


class Later:
    async def do(self, body: Any) -> Any:
        return body


class Pieces:
    def do(self, body: Any) -> Iterator[Any]:
        yield body


class Nothing:
    """Has no method that an engine would call."""


def double(body: Any) -> Any:
    return body * 2


def with_context(body: Any, context: Any) -> Any:
    return [body, context.get_param("p")]


def initialise(server: Any) -> None:
    """A graph_initializer: it sets a parameter."""
    server.context.started = True
    server.parameters["p"] = "set by the initializer"
