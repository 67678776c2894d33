"""The process of policies: everything that it is made of is connected here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError

from streams.errors import Rejected
from streams.experiments.guardrail_watch import GuardrailWatch
from streams.feedback.feedback_loop import FeedbackLoop, LoopParts
from streams.feedback.metrics import PolicyMetrics
from streams.feedback.partition_reader import PartitionReader
from streams.feedback.partitions import Partitions
from streams.feedback.round_reader import RoundReader
from streams.feedback.step import PartitionStepper
from streams.feedback.topics import WATCH_S, PolicyTopicIds, policy_group, policy_rights, policy_topics
from streams.ingest.source_positions import SourcePositions
from streams.kafka.client.access import check_access, raise_permanent, with_cure
from streams.kafka.follower import TopicFollower
from streams.kafka.group_consumer import GroupConsumer
from streams.kafka.group_offsets import GroupOffsets
from streams.kafka.topics import ensure_topics
from streams.kafka.transaction import TransactionWriter
from streams.log_levels import TRANSIENT
from streams.monitoring.process_monitoring import ProcessMonitoring
from streams.policy.arms import Arms
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.registry.connection import connect_registry
from streams.registry.prediction_reader import PredictionReader
from streams.schema.decoder import SchemaRules, decode_item
from streams.schema.events import ItemUpsert
from streams.settings.settings import Settings
from streams.worker.process.lifecycle import exit_with_error, stop_event, wait_for_broker

log = logging.getLogger(__name__)

_REPORT_S: Final = 10.0
_LEARNS_S: Final = 0.5


def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT; ends the process with exit code 70 after an error."""
    try:
        asyncio.run(_run(settings))
    except Exception as error:
        exit_with_error(error)


async def _run(settings: Settings) -> None:
    stop, stack = stop_event(), AsyncExitStack()
    try:
        section = settings.monitoring
        policies = KnownPolicies(settings.policy)
        monitoring = ProcessMonitoring(section.host, section.port)
        metrics = PolicyMetrics(settings, policies, monitoring.registry)
        monitoring.start()
        starting = asyncio.create_task(_start(settings, policies, metrics, stack))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return
        loop, ids = starting.result()
        monitoring.health.use(metrics)
        tasks = [asyncio.create_task(task) for task in _tasks(settings, loop, ids, metrics, stop)]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks[1:], return_exceptions=True)
        for task in done:
            task.result()
        monitoring.stop()
    except Exception as error:
        exit_with_error(await with_cure(settings.kafka, error, policy_rights(settings)))
    finally:
        await _close(stack)
    log.info("stopped")


def _tasks(
    settings: Settings, loop: FeedbackLoop, ids: PolicyTopicIds, metrics: PolicyMetrics, stop: asyncio.Event
) -> list[Coroutine[Any, Any, None]]:
    """What runs side by side; the end of any is the end of the process."""
    return [loop.run(stop), _watch(settings, ids), _report(metrics), _watch_guardrails(settings, loop)]


async def _start(
    settings: Settings, policies: KnownPolicies, metrics: PolicyMetrics, stack: AsyncExitStack
) -> tuple[FeedbackLoop, PolicyTopicIds]:
    """The loop, whose parts the stack stops, last first."""
    kafka, topics, rights = settings.kafka, settings.topics, policy_rights(settings)
    await wait_for_broker(kafka)
    await check_access(kafka, rights)
    names = [*policy_topics(settings), topics.item_catalog, topics.user_events_dlq]
    if any(topic.outcome == "created" for topic in await ensure_topics(settings, names)):
        await check_access(kafka, rights)  # of topics that are not there yet, nothing can be learnt
    ids, reader = PolicyTopicIds(settings), PartitionReader(kafka)
    registry = await connect_registry(settings.registry)
    writer = TransactionWriter(kafka, purpose=f"policy-{uuid4()}")
    offsets = GroupOffsets(kafka, policy_group(settings))
    consumer = GroupConsumer(kafka, policy_group(settings), writer.transactional_id)
    positions = SourcePositions(kafka, offsets, consumer, writer.transactional_id, ids, "earliest", log.warning)
    rules = replace(SchemaRules.of(settings.events), transcoder=registry)
    described: dict[str, DescribedItem] = {}
    arms = Arms(policies, settings.policy.recipe)

    def describe(record: ConsumerRecord[bytes, bytes]) -> None:
        with contextlib.suppress(Rejected):  # workers have put it into the dead letters
            item = decode_item(record, transcoder=registry)
            if isinstance(item, ItemUpsert):
                described[item.item_id] = DescribedItem.of(item)
            else:
                described.pop(item.item_id, None)

    states = TopicFollower(kafka, topics.policy_states, lambda record: policies.put(record.key, record.value))
    experiments = TopicFollower(kafka, topics.interest_experiments, lambda record: arms.put(record.key, record.value))
    catalog = TopicFollower(kafka, topics.item_catalog, describe, None if registry is None else registry.load)

    async def raise_if_permanent(error: KafkaError) -> None:
        await raise_permanent(kafka, error, rights)

    partitions, predictions = Partitions(settings, reader, ids), PredictionReader(settings.registry)
    rounds = RoundReader(settings, consumer, reader, partitions, predictions, registry, log.warning)
    loop = FeedbackLoop(
        LoopParts(
            settings,
            consumer,
            reader,
            positions,
            partitions,
            PartitionStepper(settings, rules, arms, described),
            policies,
            arms,
            described,
            states,
            (catalog, experiments),
            rounds,
            writer,
            metrics,
            raise_if_permanent,
            log.warning,
        )
    )
    stack.push_async_callback(loop.close)
    for part in (ids, reader, offsets, writer, states, catalog, experiments):
        stack.push_async_callback(part.stop)
        await part.start()
    stack.push_async_callback(consumer.stop)
    await consumer.start([topics.user_events], loop.on_assigned, loop.on_revoked)
    log.info("policies %s: a member of the group %s", settings.policy.kinds, policy_group(settings))
    return loop, ids


async def _watch(settings: Settings, ids: PolicyTopicIds) -> None:
    """Raises where a topic is not any more the one that is read or written."""
    away = False
    while True:
        await asyncio.sleep(WATCH_S)
        try:
            await ids.check()
        except (KafkaError, TimeoutError) as error:
            await raise_permanent(settings.kafka, error, policy_rights(settings))
            if not away:
                log.warning("no broker answers: waiting, nothing is lost", extra=TRANSIENT)
            away = True
        else:
            away = False


async def _watch_guardrails(settings: Settings, loop: FeedbackLoop) -> None:
    """Stops arms of experiments that cross a guardrail: in one process of all, that which learns."""
    while True:
        await asyncio.sleep(_LEARNS_S)
        if not loop.learns:
            continue
        watching = asyncio.create_task(GuardrailWatch(settings).run())
        try:
            while loop.learns and not watching.done():
                await asyncio.wait([watching], timeout=_LEARNS_S)
        finally:
            watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _report(metrics: PolicyMetrics) -> None:
    """A line every ten seconds in which anything happened."""
    decisions = rewards = 0
    while True:
        await asyncio.sleep(_REPORT_S)
        if (metrics.decisions, metrics.rewards) != (decisions, rewards):
            log.info("%d decisions, %d rewards", metrics.decisions - decisions, metrics.rewards - rewards)
        decisions, rewards = metrics.decisions, metrics.rewards


async def _close(stack: AsyncExitStack) -> None:
    try:
        await stack.aclose()
    except (KafkaError, asyncio.CancelledError) as error:
        # Without a broker aiokafka cannot close in order, and raises the cancellation of its own tasks.
        log.debug("closing was incomplete: %r", error)
