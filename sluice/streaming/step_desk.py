"""The desk of one step, where each step is a function of its own and topics lie between them.

A message that waited may have been made for versions that do not answer any more. It begins anew
then, at the first step: what is on its way when an alias moves is answered, by the new version.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from sluice.errors import SluiceError, Unavailable
from sluice.fault import reason_of
from sluice.live import Live
from sluice.message import Choice, Message
from sluice.observe import observe_failure
from sluice.protocol import mlrun_v2
from sluice.protocol.http import dumps
from sluice.service import Service
from sluice.streaming.dead_letter import status_of
from sluice.streaming.desk import PASSING, Desk, Limits
from sluice.streaming.meter import Counted, StreamMeter
from sluice.streaming.passage import FORMAT, Origin, Passage
from sluice.streaming.request import Request
from sluice.streaming.stages import Stage
from sluice.streaming.topics import Topics
from sluice.streams import Clock, Record
from sluice.streams import Message as Sent

log = logging.getLogger("sluice.stream")
_HEADERS = {"content-type": "application/json", "sluice-format": str(FORMAT)}
_ANEW = 8  # so often a message begins anew at most; an alias that moves once takes one of them
Output = tuple[str, Sent]


class StepDesk(Desk):
    """Carries out one step for the messages of its topic, and puts them on the next one's.

    Args:
        service: a graph of that step alone.
        stage: its place in the line.
        topics: the graph's.
        meter, limits, clock: as a Desk has them.
    """

    def __init__(
        self,
        service: Service,
        stage: Stage,
        topics: Topics,
        meter: StreamMeter,
        *,
        limits: Limits,
        clock: Clock,
    ) -> None:
        own = topics._replace(group=stage.group, requests=stage.taken[0], predictions=stage.given)
        super().__init__(service, own, meter, limits, clock)
        self.stage = stage
        self._bodies = topics.requests  # what is no message yet comes from there
        self._fresh: Live | None = None  # versions that were found to be those of the aliases

    def answer(self, records: Sequence[Record]) -> list[Output]:
        """Per record, in their order, a topic and what goes there: a message, at the last step an
        answer, or a dead letter. Raises one of PASSING, as a Desk does.
        """
        counted: list[Counted] = []
        outputs = [self._one(record, counted) for record in records]
        self.meter.answered(counted)
        return outputs

    def refuse(self, record: Record, error: Exception) -> Output:
        """The dead letter of a record whose answer cannot be handed on."""
        try:
            passage = self._read(record)
        except SluiceError:
            passage = None
        return self._dead(record, passage, error)

    def _one(self, record: Record, counted: list[Counted]) -> Output:
        passage = None
        try:
            passage = self._read(record)
            if self._is_behind(passage):
                return self._begin_anew(record, passage)
            result = self.service.run(passage.message)
            counted.append(self._counted(passage.message, result))
            return self._given(passage, result)
        except PASSING:
            raise
        except Exception as error:  # of this one alone: it is a dead letter, and logged
            message = None if passage is None else passage.message
            observe_failure(self.service.application, message, error, status_of(error))
            return self._dead(record, passage, error)

    def _read(self, record: Record) -> Passage:
        """The message of a record. Raises RequestError, TooLarge."""
        if record.topic != self._bodies:
            return Passage.unpack(record.value)
        request = self._request(record)
        if request.error is not None:
            raise request.error
        return Passage(Origin.of(record, request.mlrun), request.message)

    def _request(self, record: Record) -> Request:
        request = Request(record)
        request.read(self._schema, self._limits.body, self._limits.records)
        return request

    def _given(self, passage: Passage, result: Any) -> Output:
        id = passage.message.id
        if isinstance(result, Message):
            value = Passage(passage.origin, result).pack()
        else:
            value = dumps(mlrun_v2.wrap(result) if passage.origin.mlrun else result)
        return self.stage.given, Sent(value, id, _HEADERS)

    def _counted(self, message: Message, result: Any) -> Counted:
        """What is counted of one: this step's time, and of an answer what it says."""
        own = {n: t for n, t in message.timings.items() if n == self.stage.step}
        if isinstance(result, Message):
            return Counted(own, None, (), None)
        return Counted(own, result["version"], result["outputs"], result["stalest"])

    def _is_behind(self, passage: Passage) -> bool:
        """Whether it has to begin anew; looks at the aliases before it says so."""
        message, application = passage.message, self.service.application
        live = application.live()
        if (passage.origin.again or is_behind(message, live)) and live is not self._fresh:
            try:
                live = application.load()
            except PASSING:
                raise
            except SluiceError as error:  # those that answer now go on, as in a server
                log.error("%s: kept the versions that served: %s", self.service.name, error)
            self._fresh = live
        message.live = live
        return is_behind(message, live)

    def _begin_anew(self, record: Record, passage: Passage) -> Output:
        if passage.origin.again >= _ANEW:
            why = "the versions that it was made for do not answer any more, time and again"
            return self._dead(record, passage, Unavailable(why))
        again = passage.anew()
        return self.stage.anew, Sent(again.pack(), again.message.id, _HEADERS)

    def _dead(self, record: Record, passage: Passage | None, error: Exception) -> Output:
        vars(error).setdefault("failed_step", self.stage.step)
        request = record
        if record.topic == self._bodies:
            id = self._request(record).id
        elif passage is not None:
            request, id = passage.request(), passage.message.id
        else:
            id = record.key
        place = f"{request.topic}/{request.partition}/{request.offset}"
        text = f"request {id} ({place}) is a dead letter of {self.stage.step}: {reason_of(error)}"
        log.warning("%s", text, exc_info=error if status_of(error) == 500 else None)
        return self.topics.dead_letters, self._letter(request, id, error)


def is_behind(message: Message, live: Live) -> bool:
    """Whether other versions answer now than those that a message was made for.

    What the last step made is looked at: the columns of its rows, the tensors, or the route.
    """
    if message.route:
        named = {number for choice in message.route for number in _numbers(choice)}
        if not message.scores:
            named.update(message.shadows)
        if not named <= live.versions.keys():
            return True
        digests = {live.versions[number].digest for number in named}
        return not (message.scores or digests <= message.tensors.keys())
    if message.tensors:
        return not live.transforms.keys() <= message.tensors.keys()
    return bool(message.rows) and not set(live.columns) <= set(message.columns)


def _numbers(choice: Choice) -> list[str]:
    """The versions that answer a row."""
    team = choice.team
    return [choice.version] if team is None else [member.version for member in team.members]
