"""Follower: results of all experiments as their topics grow. What is missing, or does not answer, is waited for."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec

from streams.errors import ExperimentError, StreamError
from streams.experiments.fold import ExperimentFold, Exposure
from streams.experiments.result import ExperimentResult
from streams.experiments.reward_order import is_countable
from streams.kafka.closing import close_all
from streams.kafka.offset_reader import OffsetReader, Position, Records
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.decisions.experiment import Experiment, decode_experiment
from streams.schema.decisions.reward import decode_reward
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

_FETCH_MS: Final = 100
_BATCH_RECORDS: Final = 500
_LOOK_S: Final = 2.0
_RETRY_S: Final = 3.0
_SETTLED_MS: Final = 5_000  # so long a reward that has been closed may be on its way here

_EXPOSURE: Final = msgspec.json.Decoder(Exposure)


class ExperimentFollower:
    """All is read from the beginning of the topics, whatever was read before: the results are theirs alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fold = ExperimentFold()
        self.results: Mapping[str, ExperimentResult] = {}
        """By name, as they were at the last look; replaced as a whole"""
        self.unreadable = 0
        """Records that were passed over"""

    @property
    def experiments(self) -> Mapping[str, Experiment]:
        """Those that are known now, by name."""
        return self._fold.experiments

    async def read_all(self) -> Mapping[str, ExperimentResult]:
        """The results of what the topics hold now. Raises StreamError."""
        await self._read(to_end=True, on_look=None)
        return self.results

    async def follow(self, on_look: Callable[[], Awaitable[None]] | None = None) -> None:
        """Reads until it is cancelled; `on_look` is awaited after each look at what was read, every two seconds."""
        while True:
            try:
                await self._read(to_end=False, on_look=on_look)
            except StreamError as error:
                log.debug("experiments: %s", error)
            await asyncio.sleep(_RETRY_S)

    async def _read(self, *, to_end: bool, on_look: Callable[[], Awaitable[None]] | None) -> None:
        settings, topics = self._settings, self._settings.topics
        self._fold, self.unreadable = ExperimentFold(), 0
        definitions = OffsetReader(settings.kafka, [topics.interest_experiments])
        outcomes = OffsetReader(settings.kafka, [topics.interest_decisions, topics.interest_rewards])
        try:
            for reader in (definitions, outcomes):
                await reader.start()
                reader.seek(await reader.begins())
            while not await _is_read(definitions, await definitions.ends()):
                self._apply(await definitions.fetch(_FETCH_MS, _BATCH_RECORDS))
            shapes = await definitions.shapes(), await outcomes.shapes()
            first_ends, caught_up, next_look_s = await outcomes.ends(), False, 0.0
            while True:
                self._apply(await outcomes.fetch(_FETCH_MS, _BATCH_RECORDS))
                await asyncio.sleep(0)
                if not caught_up:
                    positions = await outcomes.positions()
                    behind = {position for position, end in first_ends.items() if positions[position] < end}
                    self._fold.settle([number for topic, number in behind if topic == topics.interest_rewards])
                    if behind:
                        continue
                    caught_up = True
                self._fold.settle()
                self._apply(await definitions.fetch(0, _BATCH_RECORDS))
                if (now_s := time.monotonic()) < next_look_s:
                    continue
                next_look_s = now_s + _LOOK_S
                self._fold.advance(int(time.time() * 1000) - _SETTLED_MS)
                self.results = self._fold.results()
                if to_end:
                    return
                if on_look is not None:
                    await on_look()
                if (await definitions.shapes(), await outcomes.shapes()) != shapes:
                    raise StreamError("a topic was created again, or has other partitions")
        finally:
            await close_all(definitions.stop, outcomes.stop)

    def _apply(self, fetched: Mapping[Position, tuple[Records, int]]) -> None:
        topics = self._settings.topics
        for (topic, partition), (records, _) in fetched.items():
            for record in records:
                try:
                    if isinstance(record, UndecodableRecord):
                        raise ExperimentError(record.message)
                    if topic == topics.interest_experiments:
                        name = (record.key or b"").decode(errors="replace")
                        self._fold.put(name, None if record.value is None else decode_experiment(record.value))
                    elif record.value is None:
                        continue
                    elif topic == topics.interest_decisions:
                        self._fold.add_exposure(_EXPOSURE.decode(record.value))
                    elif is_countable(reward := decode_reward(record.value), record.timestamp):
                        self._fold.add_reward(partition, reward)
                    else:
                        raise ExperimentError("a reward with times or numbers that it cannot have")
                except (ExperimentError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                    self.unreadable += 1
                    log.debug("%s:%d:%d is passed over: %s", topic, partition, record.offset, error)


async def _is_read(reader: OffsetReader, ends: Mapping[Position, int]) -> bool:
    positions = await reader.positions()
    return all(positions[position] >= end for position, end in ends.items())
