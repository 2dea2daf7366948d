"""A watch and its sender, opened by what the project declares; and beside a monitor."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sluice.alerts.declared import Webhook, is_url
from sluice.alerts.meter import page
from sluice.alerts.mlrun import Client, MlrunChannel
from sluice.alerts.send import Above, Channel, LogChannel, Sender
from sluice.alerts.watch import LOG, Watch
from sluice.alerts.webhook import WebhookChannel
from sluice.errors import DeclarationError, StoreUnavailable
from sluice.graph.context import Context
from sluice.project import Project
from sluice.service import make_context, read_spec
from sluice.streams import Clock

log = logging.getLogger("sluice.alerts")


def open_sender(
    project: Project, graph: str, watch: Watch, clock: Clock = time, client: Client | None = None
) -> Sender:
    """What sends a watch's notices.

    Args:
        client: MLRun's; None: the one that MLRun's own settings name, if the graph wants events
            there.

    Raises DeclarationError for a secret that is not there.
    """
    spec = read_spec(project, graph)
    context = make_context(project, spec)
    channels: dict[str, Channel] = {LOG: LogChannel()}
    for place, declared in enumerate(watch.alerts.webhooks):
        hook = _webhook(declared, context, f"{spec.file}", clock)
        channels[f"webhook {place}"] = Above(hook, declared.severity)
    if watch.alerts.mlrun:
        endpoint = project.settings.endpoint_uid or graph
        channels["mlrun"] = MlrunChannel(client or _mlrun(), endpoint)
    return Sender(watch.environment, channels, clock)


def _webhook(declared: Webhook, context: Context, file: str, clock: Clock) -> WebhookChannel:
    def secret(name: str) -> str:
        value = context.get_secret(name)
        if not value:
            where = "spec.parameters.sluice.alerts.webhooks"
            raise DeclarationError(file, where, f"there is no secret {name!r}")
        return value

    url = declared.url or secret(declared.url_secret)
    if not is_url(url):
        where = "spec.parameters.sluice.alerts.webhooks"
        raise DeclarationError(file, where, f"the secret {declared.url_secret!r} is no URL")
    signed = secret(declared.secret) if declared.secret else ""
    return WebhookChannel(url, clock, signed, declared.header)


def _mlrun() -> Client:
    import mlrun

    client: Client = mlrun.get_run_db()
    return client


class Beside:
    """Looks, beside a monitor, at what has ended by the time that the monitor has read up to.

    While nothing is read that time stands still, so what passes on the clock is added to it:
    traffic that is gone shows although no event tells of it.

    Args:
        watch: looks.
        clock: as above.
        live: whether more will come; else only the time of events counts.
    """

    def __init__(self, watch: Watch, clock: Clock = time, *, live: bool = True) -> None:
        self._watch, self._clock, self._live = watch, clock, live
        self._read, self._read_at = -math.inf, 0.0

    def __call__(self, now: float) -> None:
        """Look. `now` is the time up to which all was read (epoch s), −∞ if nothing was.

        What is away does not stop the monitor: the next look does what this one could not.
        """
        if not math.isfinite(now):
            return
        if now != self._read:
            self._read, self._read_at = now, self._clock.monotonic()
        passed = self._clock.monotonic() - self._read_at if self._live else 0.0
        try:
            self._watch.look(now + passed)
        except (StoreUnavailable, OSError) as error:
            log.warning("looks again later: %s", error)

    def metrics(self) -> bytes:
        """Open incidents and waiting notices, for Prometheus."""
        return page(self._watch)


@contextmanager
def beside(
    project: Project, graph: str, *, clock: Clock = time, live: bool = True
) -> Iterator[Beside]:
    """A watch beside a monitor, and a sender in a thread; both end with the block.

    A sender that is not live sends once, at the end. What was not sent waits for the next one.
    """
    with Watch.open(project, graph) as watch:
        sender = open_sender(project, graph, watch, clock)
        if live:
            sender.start()
        try:
            yield Beside(watch, clock, live=live)
            if not live:
                sender.flush()
        finally:
            sender.close()
