"""Predictions of many users, written straight into their topic, as workers would write them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator

import msgspec

from streams.kafka.publisher import Publisher
from streams.schema.predictions import Carriers, Prediction, Source

_ITEMS = 50_000
_CATEGORIES = 40
_AT_ONCE = 2_000


def records(users: Iterator[int], seed: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of a prediction for each user, with the usual ten items and five categories."""
    generator = random.Random(seed)
    for number, user in enumerate(users):
        now_ms = int(time.time() * 1000)
        items = [f"item-{min(int(generator.paretovariate(0.6)), _ITEMS)}" for _ in range(10)]
        prediction = Prediction(
            prediction_id=f"user-events:{user % 8}:{number}",
            user_id=f"user-{user}",
            caused_by=f"event-{number}",
            event_time=now_ms,
            emitted_at=now_ms,
            model_version="00000001.1",
            state_version=1,
            source=Source("user-events", user % 8, number),
            items=list(dict.fromkeys(items)),
            item_p=[round(0.2 / (rank + 2), 5) for rank in range(len(set(items)))],
            other_p=0.5,
            categories=[f"category-{(user + step) % _CATEGORIES}" for step in range(5)],
            category_p=[0.4, 0.2, 0.1, 0.05, 0.02],
            because=items[:3],
            because_weight=[0.3, 0.2, 0.1],
            because_other=0.2,
            carried_by=Carriers(0.4, 0.1, 0.3, 0.2),
        )
        yield prediction.user_id.encode(), msgspec.json.encode(prediction)


async def fill(publisher: Publisher, users: int) -> None:
    """One prediction of each user."""
    batch = []
    for record in records(iter(range(users))):
        batch.append(record)
        if len(batch) == _AT_ONCE:
            await publisher.send(batch)
            batch = []
    await publisher.send(batch)


async def keep_predicting(publisher: Publisher, users: int, rate_per_s: float) -> None:
    """Predictions of users at random, so many per second, until it is cancelled."""
    generator = random.Random(1)
    per_step = max(1, round(rate_per_s / 20))
    stream = records(iter(lambda: generator.randrange(users), -1), seed=1)
    while True:
        await publisher.send([next(stream) for _ in range(per_step)])
        await asyncio.sleep(per_step / rate_per_s)
