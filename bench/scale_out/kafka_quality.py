"""Quality of the predictions that a group of workers commits, of a log that comes through Kafka at a fixed rate."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from statistics import fmean

from bench.errors import BenchError
from bench.quality import metrics
from bench.quality.datasets import LoggedEvents
from bench.scale_out.local_group import LocalGroup, local_group
from bench.scale_out.trainer_lines import work_in
from models.progress import ProgressCallback
from streams.demo.metrics import SCORED_SHARE, has_repeats
from streams.demo.next_item_ranks import NextItemRanks
from streams.kafka.pacing import paced_ranges
from streams.kafka.publisher import Publisher
from streams.kafka.reader import TopicReader, read_topic, reading
from streams.schema.predictions import decode
from streams.schema.quality import WorkerQuality, decode_quality

TOP_ITEMS = 20
_STALL_S = 120.0


@dataclass(frozen=True, slots=True)
class KafkaQuality:
    """One run."""

    recall_at_10: float
    recall_at_20: float
    mrr: float
    log_loss: float | None
    """Of the workers' own samples (interest-quality); None where they have scored nothing"""
    events_per_s: float
    """From the first event to the last prediction"""
    workers_cpu_s: float
    trainer_cpu_s: float
    learnt_share: float | None
    """Of the events: a machine with too few cores for all processes learns less"""


def measure_quality(log: LoggedEvents, workers: int, rate_per_s: float, on_progress: ProgressCallback) -> KafkaQuality:
    """Sends the log to so many workers, which begin with nothing.

    The prediction after event n of a user is scored by event n + 1, over the last 30 % of the log. Raises BenchError,
    StreamError.
    """
    overrides = [
        f"model.allow_repeats={str(has_repeats(log.events)).lower()}",
        "predictions.per=event",
        f"predictions.top_items={TOP_ITEMS}",
    ]
    with local_group(workers, overrides) as group:
        return asyncio.run(_measure(group, log, rate_per_s, on_progress))


def mean_of(runs: Sequence[KafkaQuality]) -> dict[str, object]:
    """The mean of each figure, and its smallest and largest as `spread`."""
    columns = {field.name: [getattr(run, field.name) for run in runs] for field in fields(KafkaQuality)}
    known = {name: values for name, values in columns.items() if None not in values}
    return {
        **{name: fmean(values) if name in known else None for name, values in columns.items()},
        "spread": {name: [min(values), max(values)] for name, values in known.items()},
        "runs": [asdict(run) for run in runs],
    }


def mean_log_loss(records: Sequence[WorkerQuality], share: float) -> float | None:
    """Of the last `share` of the events that the workers have scored; None without any.

    Of a worker that has scored more events than its window holds, by windows that do not overlap, at least the last.
    """
    by_worker: defaultdict[str, list[WorkerQuality]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.scored):
        by_worker[record.worker].append(record)
    taken = [part for of_worker in by_worker.values() for part in _last_losses(of_worker, share)]
    events = sum(possible for possible, _ in taken)
    return sum(loss for _, loss in taken) / events if events else None


def _last_losses(records: Sequence[WorkerQuality], share: float) -> list[tuple[int, float]]:
    """Events whose item could be predicted, and the sum of their losses, of the last part of a worker's records."""
    last = records[-1]
    begin, before = last.scored * (1 - share), float("inf")
    if last.window == last.scored:  # nothing has left the window
        ends = [_possible_losses(record) for record in records if record.scored <= begin]
        (possible, loss), (earlier, earlier_loss) = _possible_losses(last), ends[-1] if ends else (0, 0.0)
        return [(possible - earlier, loss - earlier_loss)]
    taken = []
    for record in reversed(records):
        first = record.scored - record.window
        if record.scored <= before and (record is last or first >= begin):
            taken.append(_possible_losses(record))
            before = first
    return taken


def _possible_losses(record: WorkerQuality) -> tuple[int, float]:
    return record.possible, record.possible * (record.log_loss or 0.0)


async def _measure(
    group: LocalGroup, log: LoggedEvents, rate_per_s: float, on_progress: ProgressCallback
) -> KafkaQuality:
    settings = group.settings
    kafka, topics = settings.kafka, settings.topics
    await group.start()
    async with Publisher(kafka, topics.item_catalog) as publisher:
        await publisher.send([(item.item_id.encode(), item.encode()) for item in log.items])
    ranks = NextItemRanks(log.events)
    begin_s, (workers_cpu_s, trainer_cpu_s) = time.monotonic(), group.cpu_s()
    async with reading(kafka, [topics.interest_predictions, topics.user_events_dlq]) as consumer:
        sending = asyncio.create_task(_send(group, log, rate_per_s))
        try:
            await _receive(group, consumer, ranks, sending, on_progress)
        finally:
            sending.cancel()
    seconds = time.monotonic() - begin_s
    workers_end_s, trainer_end_s = group.cpu_s()
    await asyncio.to_thread(group.stop)
    quality = [
        decode_quality(record.value)
        async for record in read_topic(kafka, topics.interest_quality)
        if record.value is not None
    ]
    rank = ranks.last_part(SCORED_SHARE)
    return KafkaQuality(
        recall_at_10=metrics.recall(rank, 10),
        recall_at_20=metrics.recall(rank, TOP_ITEMS),
        mrr=metrics.mrr(rank, TOP_ITEMS),
        log_loss=mean_log_loss(quality, SCORED_SHARE),
        events_per_s=round(len(log.events) / seconds, 1),
        workers_cpu_s=round(workers_end_s - workers_cpu_s, 1),
        trainer_cpu_s=round(trainer_end_s - trainer_cpu_s, 1),
        learnt_share=work_in(group.trainer_log()).learnt_share,
    )


async def _send(group: LocalGroup, log: LoggedEvents, rate_per_s: float) -> None:
    async with Publisher(group.settings.kafka, group.settings.topics.user_events) as publisher:
        async for start, end in paced_ranges(len(log.events), rate_per_s):
            await publisher.send([(event.user_id.encode(), event.encode()) for event in log.events[start:end]])


async def _receive(
    group: LocalGroup,
    consumer: TopicReader,
    ranks: NextItemRanks,
    sending: asyncio.Task[None],
    on_progress: ProgressCallback,
) -> None:
    """Reads until every event has its prediction."""
    total, predicted = len(ranks.events), 0
    record_s = time.monotonic()
    while predicted < total or not sending.done():
        if sending.done():
            sending.result()
        group.check()
        for tp, records in (await consumer.getmany(timeout_ms=100)).items():
            record_s = time.monotonic()
            if tp.topic == group.settings.topics.user_events_dlq:
                raise BenchError(f"the workers refuse a record: {records[0].value!r}")
            predicted += sum(ranks.add(decode(record.value)) for record in records if record.value is not None)
        on_progress(predicted, total)
        if time.monotonic() - record_s > _STALL_S:
            logs = "\n".join(worker.log_tail(5) for worker in group.workers)
            raise BenchError(f"no prediction for {_STALL_S:.0f} s, though {total - predicted} are missing.\n{logs}")
    sending.result()
