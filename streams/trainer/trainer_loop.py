"""The trainer's loop: checked, elected, in its term; and elected anew where a broker has failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka.errors import KafkaError

from streams.errors import TransactionFailed
from streams.kafka.client.access import check_access, raise_permanent, trainer_rights
from streams.kafka.closing import close_all
from streams.kafka.topics import ensure_topics
from streams.log_levels import TRANSIENT
from streams.releases.election import Election
from streams.settings.settings import Settings
from streams.trainer.metrics import TrainerMetrics
from streams.trainer.model import Model
from streams.trainer.term import Term

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0


async def run_trainer(
    settings: Settings,
    make_model: Callable[[], Awaitable[Model]],
    stop: asyncio.Event,
    metrics: TrainerMetrics,
    *,
    elected: bool = False,
) -> None:
    """Stands by until elected, then trains; returns once `stop` is set, after a last release.

    `make_model` is awaited at the beginning of each term; `elected`: by a worker that has started this process. Raises
    TrainerFencedError where another trainer has taken over, and every StreamError that trying again would not mend.
    """
    rights = trainer_rights(settings)
    topics = settings.topics
    names = (settings.changelog_topic, topics.model_releases, topics.item_index, topics.item_catalog)
    await check_access(settings.kafka, rights)
    if any(topic.outcome == "created" for topic in await ensure_topics(settings, names)):
        await check_access(settings.kafka, rights)  # of topics that are not there yet, nothing can be learnt
    election = None if elected else Election(settings)
    try:
        if election is not None:
            await election.start()
            log.info("standing by as a member of the group %s", settings.trainer_group)
        logged = ""
        if election is not None:
            metrics.stand_by()
        while await _before(stop, _wait(election)):
            try:
                if election is None or await election.confirm():
                    await _train(settings, make_model, stop, metrics)
            except (TransactionFailed, KafkaError) as error:
                cause = error.__cause__ or error
                await raise_permanent(settings.kafka, cause, rights)
                if repr(error) != logged:  # once a second otherwise, for as long as no broker answers
                    log.warning("training begins again at the last release: %r", error, extra=TRANSIENT)
                logged = repr(error)
            await _before(stop, asyncio.sleep(_RETRY_S))
    finally:
        if election is not None:
            await close_all(election.stop)


async def _wait(election: Election | None) -> None:
    if election is not None:
        await election.wait()


async def _train(
    settings: Settings, make_model: Callable[[], Awaitable[Model]], stop: asyncio.Event, metrics: TrainerMetrics
) -> None:
    term = Term(settings, await make_model(), metrics)
    try:
        await term.run(stop)
    finally:
        metrics.stand_by()
        await term.close()


async def _before(stop: asyncio.Event, event: Awaitable[object]) -> bool:
    """Whether the event comes before the stop; then it is awaited no more. Raises what the event raises."""
    waiting, stopping = asyncio.ensure_future(event), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return False
        await waiting
        return True
    finally:
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
