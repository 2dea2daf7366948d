"""One client of a graph of a project, for whichever pattern."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sluice.client.http import Http
from sluice.client.stream import Stream
from sluice.project import Project


class Client:
    """Asks a graph: over HTTP (`predict`, `feedback`), or by its stream (`submit`, `wait`).

    Args:
        graph: its name.
        project: the project, or its folder; default: the one here. Without the project at hand,
            use `Http` and `Stream`, which name places alone.
        url: the graph's server; default: where the settings say that `sluice serve` listens.
        stream: the stream; default: that of the settings. It is opened when it is first used.

    A server that wants an API key gets the one of the setting `api_key`.

    What it raises, its parts do: see `Http` and `Stream`. For the database of the batch pattern
    there is `sluice.client.batch.Batch`.
    """

    def __init__(
        self,
        graph: str,
        project: Project | Path | str | None = None,
        *,
        url: str = "",
        stream: str = "",
    ) -> None:
        self._project = project if isinstance(project, Project) else Project.find(project)
        self._project.graph_file(graph)
        settings = self._project.settings
        self._graph, self._named = graph, stream
        place = url or f"http://{settings.host}:{settings.port}"
        self._http = Http(place, key=settings.api_key)
        self._stream: Stream | None = None

    def predict(self, records: Any, id: str | None = None) -> dict[str, Any]:
        """The reply of the graph's server to a record or a list of records."""
        return self._http.predict(records, id)

    def feedback(
        self, id: str, *, label: Any = None, reward: float | None = None, record: int = 0
    ) -> None:
        """Tell the graph's server what became of a record of a request."""
        self._http.feedback(id, label=label, reward=reward, record=record)

    def submit(self, records: Any, id: str | None = None) -> str:
        """Put a request on the graph's stream: a record, or a list of them. Its id."""
        return self._opened().submit(records, id)

    def wait(self, id: str, timeout_s: float | None = None) -> dict[str, Any]:
        """The reply to a request that this client submitted."""
        return self._opened().wait(id, timeout_s)

    def close(self) -> None:
        """Leave the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> Stream:
        if self._stream is None:
            from sluice.streaming.open import read_parameters, stream_url

            parameters = read_parameters(self._project, self._graph)
            url = stream_url(self._project, self._named)
            self._stream = Stream(url, self._project.name, self._graph, parameters)
        return self._stream
