"""One graph's parts in this process: declarations, stores, live versions, the way events go out.

The steps of a graph share one application. Under our engine it comes with the context; under
MLRun's, whose context knows nothing of it, `application` opens one by the graph's parameters.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sluice.errors import SluiceError, StoreUnavailable, Unavailable, told
from sluice.features.definitions import Definitions, read_definitions
from sluice.features.online import beside
from sluice.features.store import OnlineStore
from sluice.live import Live, load_live
from sluice.models.store import ModelStore
from sluice.monitoring.emitter import Emitter
from sluice.monitoring.event import EventBuilder, Source
from sluice.monitoring.open import open_redaction
from sluice.monitoring.outbox import Outbox
from sluice.monitoring.redaction import Redaction
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.routing.comparer import Home, open_comparer
from sluice.routing.ledger import Ledger
from sluice.routing.shadow import Shadow
from sluice.routing.shadow_process import start_process
from sluice.settings import Settings
from sluice.stores import event_stream, events_url, feature_store, model_store, reward_ledger
from sluice.streams import Message, Producer

if TYPE_CHECKING:
    from sluice.correction.copies import Copies
    from sluice.routing.policy import Policy
    from sluice.telemetry.telemetry import Telemetry

log = logging.getLogger("sluice")


class Application:
    """The parts of one graph.

    Args:
        graph: its name.
        definitions: its records and features.
        models, features: the stores.
        emitter: where monitoring events go; None keeps them from being made.
        rewards: opens the ledger of a policy's rewards, by what its sums mean; None: there is none.
        live: versions that answer whatever the aliases say (a gate looks at one version so).
        refresh: seconds between looks at the aliases.
        clock: seconds, monotonic.

    Attributes:
        redaction: what of records and outputs does not leave the process.
        arm: the alias that this function is for, behind a gateway that splits the traffic.
        policy: the router's, once the graph has loaded it.
        correction: what its rule of that name knows, once the graph has loaded it.
        shadow: asks versions off the reply's path; None: nobody does.
        telemetry: traces requests for OpenTelemetry; None: nothing is traced.
    """

    def __init__(
        self,
        graph: str,
        definitions: Definitions,
        models: ModelStore,
        features: OnlineStore,
        *,
        emitter: Emitter | None = None,
        rewards: Callable[[str], Ledger] | None = None,
        live: Live | None = None,
        refresh: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.graph = graph
        self.definitions = definitions
        self.models = models
        self.features = features
        self.emitter = emitter
        self.rewards = rewards
        self.arm = ""
        self.redaction = Redaction()
        self.refusal: str | None = None
        self.policy: Policy | None = None
        self.correction: Copies | None = None
        self.shadow: Shadow | None = None
        self.telemetry: Telemetry | None = None
        self._refresh, self._clock = refresh, clock
        self._token: Hashable = None
        self._next_look = math.inf if live else 0.0
        self._live = live
        self._outdated = False
        self._loading, self._closed = threading.Lock(), threading.Event()

    @classmethod
    def open(cls, project: Project, parameters: Parameters, worker: str = "") -> Application:
        """The application of a graph of a project, with the stores that its settings name."""
        settings, graph = project.settings, parameters.graph
        definitions = read_definitions(project.root / parameters.features, project.root)
        emitter = None
        if settings.monitoring:
            emitter = make_emitter(project, parameters, definitions, worker)
        application = cls(
            graph,
            definitions,
            model_store(project),
            beside(feature_store(project, graph), definitions, settings.feast),
            emitter=emitter,
            rewards=partial(reward_ledger, project, graph),
            refresh=settings.refresh,
        )
        application.arm = settings.arm
        application.redaction = open_redaction(project, parameters)
        definitions.record.hide(application.redaction)
        if settings.monitoring:
            home = Home(project, graph, definitions.servers)
            application.shadow = Shadow(partial(open_comparer, home), partial(start_process, home))
        if settings.otlp:
            from sluice.telemetry.telemetry import Telemetry

            application.telemetry = Telemetry(project, graph)
        return application

    def live(self) -> Live:
        """The versions that answer now. Costs a look at a clock, and without `watch` now and then
        one at the aliases.

        When an alias has moved, the new versions are loaded by a thread while the old ones go on
        answering; a version that is refused leaves them in place, and `refusal` says why.
        Raises Unavailable when features.yaml has changed and was materialised: the rows that the
        versions were loaded for are gone.
        """
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + self._refresh
            self._look()
        if self._live is None:
            return self.load()
        if self._outdated:
            why = f"the features of {self.graph} were materialised by another features.yaml"
            raise Unavailable(f"{why}: restart what serves them")
        return self._live

    def watch(self) -> None:
        """From now on a thread looks at the aliases, and no request does: a look may be a request
        to another service. An idle server follows them too. Call it after a fork, not before."""
        self._next_look = math.inf
        threading.Thread(target=self._watch, name="sluice-aliases", daemon=True).start()

    def _watch(self) -> None:
        while not self._closed.wait(self._refresh):
            self._look()

    def load(self) -> Live:
        """Load the live versions now. Raises VersionRefused, NotFound."""
        token = self.models.aliases_token(self.graph)
        before = self._live.versions if self._live else None  # of the same declarations
        live = load_live(self.graph, self.definitions, self.models, self.features, before)
        self._token, self._live, self.refusal = token, live, None
        self._outdated = False
        for alias, why in live.refused.items():
            log.error("%s: %s is not served: %s", self.graph, alias, why)
        return live

    def _look(self) -> None:
        if self._live is None:
            return
        try:
            token = self.models.aliases_token(self.graph)
            self._outdated = not self._live.is_current()
        except Exception as error:  # a defect too: the thread that looks goes on, health shows it
            self._keep(None, error)  # so that the next look that succeeds loads, and clears it
            return
        if token != self._token and self._loading.acquire(blocking=False):
            target, name = self._reload, "sluice-reload"
            threading.Thread(target=target, args=(token,), name=name, daemon=True).start()

    def _reload(self, token: Hashable) -> None:
        try:
            before = dict(self._live.aliases) if self._live else {}
            live = self.load()
            log.info("%s: %s serve now, %s did", self.graph, dict(live.aliases), before)
        except (StoreUnavailable, OSError) as error:
            self._keep(self._token, error)  # it may pass: tried again at the next look
        except Exception as error:  # a defect too: the old versions answer, and health shows it
            self._keep(token, error)
        finally:
            self._loading.release()

    def _keep(self, token: Hashable, error: Exception) -> None:
        """The old versions go on; aliases with this token are not tried again until they move."""
        self._token, self.refusal = token, told(error)
        defect = not isinstance(error, (SluiceError, OSError))
        log.error("%s: kept the versions that served: %s", self.graph, error, exc_info=defect)

    def threads(self) -> Iterator[Outbox[Any] | Shadow]:
        """What does its work, and counts it, in a thread of its own."""
        if self.shadow is not None:
            yield self.shadow
        if self.emitter is not None:
            yield self.emitter
            if self.emitter.onward is not None:
                yield self.emitter.onward
        if self.telemetry is not None:
            yield self.telemetry.tracer.outbox

    def close(self) -> None:
        """Flush the events and close the stores."""
        self._closed.set()
        if self.shadow is not None:
            self.shadow.close()
        if self.policy is not None:
            self.policy.close()
        if self.correction is not None:
            self.correction.close()
        if self.emitter is not None:
            self.emitter.close()
        if self.telemetry is not None:
            self.telemetry.close()
        self.features.close()


def make_emitter(
    project: Project,
    parameters: Parameters,
    definitions: Definitions,
    worker: str = "",
    kind: type[Emitter] = Emitter,
) -> Emitter:
    """The emitter of a graph's monitoring events, to the stream that the settings name."""
    settings = project.settings
    source = Source(
        project=project.name,
        endpoint_id=settings.endpoint_uid,
        function_uri=f"{project.name}/{parameters.graph}",
        host=socket.gethostname(),
        worker=worker,
        inputs=definitions.record.names,
    )
    redaction = open_redaction(project, parameters)
    events_url(project)  # what names no stream is an error now, not when the first event is sent

    topic = f"{project.name}.{parameters.graph}.events"
    onward = _to_mlrun(settings) if settings.monitoring_url else None
    builder = EventBuilder(source, redaction)
    return kind(partial(_producer, project), topic, builder, onward=onward)


def _to_mlrun(settings: Settings) -> Outbox[Message]:
    """What posts events to MLRun's monitoring, one at a time."""
    from sluice.monitoring.mlrun_http import MlrunProducer

    endpoint = settings.endpoint_uid, settings.endpoint_name
    posting = MlrunProducer(settings.monitoring_url, endpoint)  # what is wrong is an error now
    return Outbox(lambda: posting, "MLRun", batch=1)


def _producer(project: Project) -> Producer:
    return event_stream(project).producer(durable=False)


_shared: dict[tuple[Path, str], Application] = {}
_opening = threading.Lock()


def application(context: Any) -> Application:
    """The application of the graph that a step's context belongs to.

    Our context carries it. Otherwise it is opened by the graph's parameters (`sluice`), once per
    process. Raises DeclarationError when they are not there.
    """
    given = getattr(context, "application", None)
    if isinstance(given, Application):
        return given
    data = context.get_param("sluice", None)
    parameters = Parameters.parse(data, "graph.yaml")
    project = Project.find()
    with _opening:
        key = (project.root, parameters.graph)
        if key not in _shared:
            _shared[key] = Application.open(project, parameters)
        return _shared[key]
