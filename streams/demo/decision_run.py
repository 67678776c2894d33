"""The demo's decisions on Kafka: the process that decides, what it is asked, and what the experiment shows."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Final, Self

from streams.demo.decisions import EXPERIMENT, DecisionTraffic, begin_experiment
from streams.experiments.follower import ExperimentFollower
from streams.experiments.result import ExperimentResult
from streams.kafka.publisher import Publisher
from streams.kafka.reader import reading
from streams.kafka.topic_specs import every_topic_spec
from streams.kafka.topics import ensure_topics
from streams.schema.decisions.decision import decode_decision, encode_decision
from streams.settings.settings import Settings
from streams.worker.process.launcher import WorkerProcess

_DEADLINE_S: Final = 60.0
_LOOK_S: Final = 0.5


class DecisionRun:
    """Inside the block decisions are received; `start` before it."""

    def __init__(self, settings: Settings, process: WorkerProcess, traffic: DecisionTraffic) -> None:
        self._settings = settings
        self._process = process
        self.traffic = traffic
        self._requests: Publisher
        self._receiving: asyncio.Task[None]

    @property
    def requested(self) -> int:
        """Decisions that were asked for."""
        return self.traffic.requested

    async def start(self) -> None:
        """The experiment has begun, and the process decides."""
        await ensure_topics(self._settings, [spec.name for spec in every_topic_spec(self._settings)])
        await begin_experiment(self._settings)
        self._process.start()
        await self._process.wait_ready()

    async def __aenter__(self) -> Self:
        self._requests = Publisher(self._settings.kafka, self._settings.topics.decision_requests)
        await self._requests.__aenter__()
        self._receiving = asyncio.create_task(self._receive())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._receiving.cancel()
        await self._requests.__aexit__(kind, error, trace)

    async def ask(self, start: int, end: int) -> None:
        """Ask for decisions after the events from `start` to `end`."""
        requests = self.traffic.requests(start, end)
        await self._requests.send([(request.user_id.encode(), encode_decision(request)) for request in requests])

    def check(self) -> None:
        """Raise what has ended the process, or the reading of its decisions."""
        self._process.check()
        if self._receiving.done():
            self._receiving.result()

    async def result(self) -> ExperimentResult:
        """What the experiment shows once every decision has its reward, or after a minute."""
        end_s = time.monotonic() + _DEADLINE_S
        while True:
            result = (await ExperimentFollower(self._settings).read_all())[EXPERIMENT]
            rewarded = sum(arm.decisions for arm in result.arms)
            if rewarded >= self.traffic.requested or time.monotonic() > end_s:
                return result
            self.check()
            await asyncio.sleep(_LOOK_S)

    async def _receive(self) -> None:
        async with reading(self._settings.kafka, [self._settings.topics.interest_decisions]) as consumer:
            while True:
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    for record in records:
                        if record.value is not None:
                            self.traffic.show(decode_decision(record.value))
