"""The trainer's life: checked, elected, in its term; and elected anew where a broker has failed."""

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
from streams.settings.settings import Settings
from streams.trainer.election import Election
from streams.trainer.model import Model
from streams.trainer.term import Term

log = logging.getLogger(__name__)

_RETRY_S: Final = 1.0


async def run_trainer(settings: Settings, make_model: Callable[[], Model], stop: asyncio.Event) -> None:
    """Stands by until elected, then trains; returns once `stop` is set, after a last release.

    `make_model` is called in a thread at the beginning of each term. Raises TrainerFencedError where another trainer
    has taken over, and every StreamError that trying again would not mend.
    """
    rights, topics = trainer_rights(settings), (settings.changelog_topic, settings.topics.model_releases)
    await check_access(settings.kafka, rights)
    if any(topic.outcome == "created" for topic in await ensure_topics(settings, topics)):
        await check_access(settings.kafka, rights)  # of topics that are not there yet, nothing can be learnt
    election, logged = Election(settings), ""
    try:
        await election.start()
        log.info("standing by as a member of the group %s", settings.trainer_group)
        while await _before(stop, election.wait()):
            try:
                if await election.confirm():
                    await _train(settings, make_model, stop)
            except (TransactionFailed, KafkaError) as error:
                cause = error.__cause__ or error
                await raise_permanent(settings.kafka, cause, rights)
                if repr(error) != logged:  # once a second otherwise, for as long as no broker answers
                    log.warning("training begins again at the last release: %r", error, extra=TRANSIENT)
                logged = repr(error)
            await _before(stop, asyncio.sleep(_RETRY_S))
    finally:
        await close_all(election.stop)


async def _train(settings: Settings, make_model: Callable[[], Model], stop: asyncio.Event) -> None:
    term = Term(settings, make_model)
    try:
        await term.run(stop)
    finally:
        await term.close()


async def _before(stop: asyncio.Event, event: Awaitable[object]) -> bool:
    """Whether the event comes before the stop; then it is awaited no more."""
    waiting, stopping = asyncio.ensure_future(event), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        return not stop.is_set()
    finally:
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
