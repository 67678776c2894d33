"""A stream that gives all its items other names, ten times over, on a real broker: two workers and a trainer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.items.vocabulary import ItemVocabulary
from models.releases.manifest import Manifest
from models.releases.release import Release as ModelParts
from streams.kafka.reader import read_topic
from streams.schema.item_registration import decode_registration
from streams.schema.predictions import decode
from streams.terminal.user import load_user
from tests.inputs import Input, event
from tests.integration.deployment import Deploy, Deployment

CAPACITY = 60
ITEMS = 40
USERS = 23
WAVE = 200
NAMES = 11


def wave(name: int) -> Iterator[Input]:
    """Events in which users take turns, and the items have their names of this time."""
    return (event(f"u{n % USERS}", n, f"name{name}-{n * 3 % ITEMS}") for n in range(name * WAVE, name * WAVE + WAVE))


async def register_of(site: Deployment) -> ItemVocabulary:
    """As a process has it that reads the item index now."""
    items = ItemVocabulary(CAPACITY)
    async for record in read_topic(site.settings.kafka, site.settings.topics.item_index):
        items.apply(*decode_registration(record.topic, record.key, record.value, record.timestamp))
    return items


@pytest.mark.slow
async def test_no_event_is_rejected_and_no_table_outgrows_the_capacity(deploy: Deploy) -> None:
    site = await deploy(f"items.capacity={CAPACITY}")
    site.trainer()
    first, second = site.worker("a"), site.worker("b")
    await first.owns()
    await second.owns()
    for name in range(NAMES):
        # One after the other: the items of two times do not fit into one micro-batch.
        await site.send(wave(name))
        await site.applied()
        if name == NAMES // 2:
            second.kill()
            second = site.worker("c")  # its partitions come from the changelog, its slots from the item index
    release = await site.released()
    await second.stop()
    await first.stop()
    rows = await site.check()
    assert sum(row.count for row in rows.values()) == NAMES * WAVE
    assert [record async for record in site.read(site.settings.topics.user_events_dlq)] == []
    items = await register_of(site)
    assert len(items) == CAPACITY
    assert items.register.count >= NAMES * ITEMS
    manifest = Manifest.decode(release.manifest)
    parts = ModelParts.of(release.parts, manifest)
    assert 0 < manifest.items <= items.register.count
    assert max(parts.item.max(), parts.counted.max(), parts.paired.max()) <= CAPACITY
    for user in ("u0", "u7"):
        (state,) = await load_user(site.settings, user)
        last = max(n for n in range(NAMES * WAVE) if f"u{n % USERS}" == user)
        numbers = range(last, last - 8 * USERS, -USERS)
        expected = [f"name{n // WAVE}-{n * 3 % ITEMS}" for n in numbers]
        history = [item for _, item in state.history]
        assert history[0] == expected[0]
        # Where both workers register newcomers at once, an item of their own time may have to give its slot.
        assert all(item in (name, "") for item, name in zip(history, expected, strict=True))
    predictions = [decode(record.value) async for record in site.read(site.settings.topics.interest_predictions)]
    of_last = [prediction for prediction in predictions if int(prediction.caused_by[1:]) >= NAMES * WAVE - USERS]
    assert of_last
    times = {item.partition("-")[0] for prediction in of_last for item in prediction.items}
    assert times <= {f"name{name}" for name in range(NAMES - 3, NAMES)}
