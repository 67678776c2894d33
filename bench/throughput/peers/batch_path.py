"""The complete worker, with its model (variant "model") or with a copy of the user's row instead (variant "copy").

Both write one prediction per event, as the other programs do.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import Literal

import msgspec
import numpy as np
from aiokafka import AIOKafkaProducer
from numpy.typing import NDArray

from bench.throughput.backlog import ITEMS
from bench.throughput.peers.job import Job
from bench.throughput.peers.meter import Meter, exit_now
from models.data.events import EventBatch
from models.inference.predictions import CARRIERS, ModelVersion, Predictions
from models.inference.step_result import StepResult
from models.network.weights import INITIAL_LINEAGE
from streams.kafka.topics import ensure_topics
from streams.settings.sections import KafkaSettings, PredictionSettings, TopicSettings, WorkerSettings
from streams.settings.settings import Settings
from streams.settings.trainer_section import TrainerSettings
from streams.worker.app import Worker

_POLL_S = 0.005
_CATEGORIES = 20


class RowCopy:
    """Replaces the model: unchanged rows, and constant predictions of the usual size."""

    _TOP_ITEMS, _TOP_CATEGORIES, _TOP_BECAUSE = 10, 5, 3

    def step(
        self,
        batch: EventBatch,
        rows: NDArray[np.void],
        per: Literal["user", "event"] = "user",
        lineage: NDArray[np.uint32] | None = None,
    ) -> StepResult:
        """A copy of the rows, and for each event a constant prediction of its item."""
        item = batch.item[:, None]  # [n, 1]
        n = len(batch.item)
        predictions = Predictions(
            event=np.arange(n),
            item=item.repeat(self._TOP_ITEMS, axis=1),  # [n, k]
            item_p=np.full((n, self._TOP_ITEMS), 0.05, np.float32),
            other_p=np.full(n, 0.5, np.float32),
            category=np.tile(np.arange(self._TOP_CATEGORIES), (n, 1)),  # [n, m]
            category_p=np.full((n, self._TOP_CATEGORIES), 0.2, np.float32),
            because=item.repeat(self._TOP_BECAUSE, axis=1),  # [n, b]
            because_weight=np.full((n, self._TOP_BECAUSE), 0.2, np.float32),
            carried_by=np.full((n, len(CARRIERS)), 0.25, np.float32),
            model_version=ModelVersion(INITIAL_LINEAGE, 1),
        )
        new_events = np.bincount(batch.user, minlength=len(rows))
        return StepResult(rows.copy(), predictions, np.zeros(0, np.int64), new_events)


def _settings(job: Job) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=job.bootstrap_servers, group_id=job.run, compression=job.compression),
        topics=TopicSettings(
            user_events=job.source,
            interest_predictions=job.predictions,
            user_events_dlq=f"{job.run}-dlq",
            item_index=f"{job.run}-item-index",
            item_catalog=f"{job.run}-item-catalog",
            interest_quality=f"{job.run}-quality",
            model_releases=f"{job.run}-releases",
            partitions=job.partitions,
        ),
        worker=WorkerSettings(data_dir=job.data_dir),
        trainer=TrainerSettings(trained_dir=job.data_dir / "trained"),
        predictions=PredictionSettings(per="event"),
    )


async def _describe_items(settings: Settings) -> None:
    """Write a title and three categories of every item to the catalog, since predictions contain categories."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers)
    await producer.start()
    try:
        for number in range(1, ITEMS + 1):
            categories = [f"category-{(number + step) % _CATEGORIES}" for step in range(3)]
            value = msgspec.json.encode({"title": f"Item {number}", "categories": categories})
            await producer.send(settings.topics.item_catalog, value, key=f"item-{number}".encode())
    finally:
        await producer.stop()


async def _run(job: Job) -> None:
    meter, settings = Meter(job), _settings(job)
    await ensure_topics(settings)
    await _describe_items(settings)
    async with AsyncExitStack() as stack:
        worker = Worker(settings, RowCopy() if job.variant == "copy" else None)
        await worker.start(stack)
        while True:
            await asyncio.sleep(_POLL_S)
            counts, stage_s = worker.pipeline.metrics.take_counts()
            if meter.add_events(counts["events"], stage_s):
                exit_now()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_run(Job.from_argv()))
