import asyncio
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer

from models.items.vocabulary import ItemVocabulary
from streams.local_kafka.cluster import LocalKafka
from streams.schema.events import ItemDelete, ItemUpsert
from streams.settings.sections import KafkaSettings
from streams.worker.items.item_catalog import ItemCatalog
from streams.worker.items.item_index import ItemIndex
from tests.topics import create_topics


@pytest.fixture
def settings(kafka: LocalKafka, prefix: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, group_id=prefix)


@pytest.fixture
async def topics(settings: KafkaSettings) -> tuple[str, str]:
    register, catalog = f"{settings.group_id}-index", f"{settings.group_id}-catalog"
    await create_topics(settings.bootstrap_servers, {register: 1, catalog: 3})
    return register, catalog


@pytest.fixture
async def registers(
    settings: KafkaSettings, topics: tuple[str, str]
) -> AsyncIterator[list[tuple[ItemIndex, ItemVocabulary]]]:
    made = []
    for _ in range(3):
        items = ItemVocabulary(1000)
        register = ItemIndex(settings, topics[0], items)
        await register.start()
        made.append((register, items))
    yield made
    for register, _ in made:
        await register.stop()


def ids(items: ItemVocabulary) -> list[str]:
    return [items.id(index) for index in range(1, len(items) + 1)]


async def test_workers_that_register_items_at_once_agree_on_every_index(
    registers: list[tuple[ItemIndex, ItemVocabulary]], settings: KafkaSettings, topics: tuple[str, str]
) -> None:
    wanted = [[f"i{(n * step) % 40}" for n in range(40)] for step in (1, 7, 11)]
    await asyncio.gather(
        *(r.register(list(dict.fromkeys(ids_))) for (r, _), ids_ in zip(registers, wanted, strict=True))
    )
    for register, _ in registers:
        await register.register([*wanted[0], "one-more"])
    first = ids(registers[0][1])
    assert set(first) == {*wanted[0], "one-more"}
    assert all(ids(items) == first for _, items in registers)
    late = ItemVocabulary(1000)
    newcomer = ItemIndex(settings, topics[0], late)
    await newcomer.start()
    assert ids(late) == first
    await newcomer.stop()


async def test_in_a_full_index_newcomers_take_the_slots_of_those_unseen_for_longest(
    settings: KafkaSettings, topics: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    items = ItemVocabulary(2)
    register = ItemIndex(settings, topics[0], items)
    await register.start()
    await register.register(["a", "b", "c"])
    assert ids(items) == ["a", "b"]  # none of them is evicted for another one
    assert "items.capacity = 2" in caplog.text
    items.register.mark_seen(["a"], 1 << 60)
    await register.register(["d"])
    assert ids(items) == ["a", "d"]
    await register.register(["b"])
    assert ids(items) == ["a", "b"]
    await register.stop()
    for capacity in (1, 2, 10):
        other = ItemIndex(settings, topics[0], same := ItemVocabulary(capacity))
        await other.start()
        assert ids(same) == ["a", "b"]  # as the records say, whatever the reader's capacity is
        await other.stop()


async def test_workers_that_evict_at_once_agree_on_every_slot(settings: KafkaSettings, topics: tuple[str, str]) -> None:
    capacity, workers = 30, 3
    made = []
    for _ in range(workers):
        items = ItemVocabulary(capacity)
        made.append((ItemIndex(settings, topics[0], items), items))
        await made[-1][0].start()
    for time in range(10):
        wanted = [[f"time{time}-{n * step % 9}" for n in range(9)] for step in (1, 2, 4)]
        wanted[1] += [f"time{time}-of-one"]
        await asyncio.gather(*(register.register(names) for (register, _), names in zip(made, wanted, strict=True)))
        for (_, items), names in zip(made, wanted, strict=True):
            assert None not in [items.slot(name) for name in names]
    for register, _ in made:
        await register._follower.catch_up()
        await register.stop()
    assert len({tuple(ids(items)) for _, items in made}) == 1
    assert all(len(items) == capacity for _, items in made)
    assert made[0][1].register.count == made[1][1].register.count >= 100


async def test_the_catalog_describes_items_and_survives_bad_records(
    settings: KafkaSettings, topics: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    items = ItemVocabulary(10)
    for name in ("i1", "i2"):
        items.add(name)
    catalog = ItemCatalog(settings, topics[1], items)
    await catalog.start()
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers)
    await producer.start()
    bad = await producer.send_and_wait(topics[1], key=b"i9", value=b"{")
    for item in (ItemUpsert(item_id="i1", title="One", categories=("x",)), ItemDelete(item_id="i2")):
        tp, record = catalog.record(item)
        sent = await producer.send_and_wait(topics[1], key=record.key, value=record.value)
        assert sent.partition == tp.partition  # as any other producer chooses
    await producer.stop()
    await catalog._follower.catch_up()
    assert (items.title(1), items.categories) == ("One", ["x"])
    assert not items.active()[2]
    assert f"offset {bad.offset}" in caplog.text
    await catalog.stop()
