"""A stream that gives all its items other names, ten times over, in a vocabulary that holds those of one time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import orjson
import pytest

from models.data.user_row import user_row_fields
from models.items.vocabulary import ItemVocabulary
from state.row_format import RowFormat
from streams.schema import predictions
from streams.schema.item_registration import decode_registration
from tests.driver.driven_worker import DrivenWorker
from tests.driver.engines import RowCopy
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, event

MakeDriver = Callable[..., WorkerDriver]

USERS = 7
NAMES = 11


def renamed(begin: int, end: int, name: int, items: int) -> list[Input]:
    """Events in which users take turns, and the items have their names of this time."""
    return [event(f"u{n % USERS}", n, f"name{name}-{n * 3 % items}") for n in range(begin, end)]


def vocabulary_of(worker: DrivenWorker) -> ItemVocabulary:
    return worker._worker._items.vocabulary


def ids_by_index(driver: WorkerDriver) -> list[str]:
    """As `show` reads them."""
    ids, items = [""], ItemVocabulary(1)
    for record in driver.committed(driver.topics.item_index):
        before = items.register.count
        items.apply(*decode_registration(record.topic, record.key, record.value, record.timestamp))
        if items.register.count > before:
            ids.append((record.key or b"").decode())
    return ids


def histories(driver: WorkerDriver) -> dict[str, list[str]]:
    """The items in the rows of the changelog, newest first; "" for those that are unknown."""
    row_format, length = RowFormat(user_row_fields(driver.settings.model)), driver.settings.model.history_length
    ids, newest = ids_by_index(driver), {}
    for record in driver.committed(driver.settings.changelog_topic):
        if record.key and record.value and not record.key.startswith(b"\0"):
            row = row_format.read(record.value, "steps", "ring_item")
            ring = [row["ring_item"][step % length] for step in range(row["steps"] - 1, row["steps"] - 1 - length, -1)]
            newest[record.key.decode()] = [ids[index] for index in ring]
    return newest


async def test_no_event_is_rejected_and_tables_are_bounded_by_the_capacity(make_driver: MakeDriver) -> None:
    """With a trainer whose releases the worker follows, each of them behind the other at times."""
    items, capacity, chunk = 20, 25, 10
    driver = make_driver(f"items.capacity={capacity}")
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    for name in range(NAMES):
        for begin in range(name * 60, name * 60 + 60, chunk):
            driver.send(renamed(begin, begin + chunk, name, items))
            await worker.apply_all()
            if begin % (3 * chunk) == 0:
                await trainer.observe()
                await trainer.learn()
            if begin % (4 * chunk) == 0:
                await worker.follow(await trainer.release())
    rows = await driver.check(worker)
    assert sum(row.count for row in rows.values()) == NAMES * 60
    assert not driver.committed(driver.topics.user_events_dlq)
    vocabulary = vocabulary_of(worker)
    assert (len(vocabulary), vocabulary.register.count) == (capacity, NAMES * items)
    assert {f"name{NAMES - 1}-{number}" for number in range(items)} <= set(vocabulary.ids(capacity))
    for engine in (worker.engine, trainer.engine):
        assert engine.counts.experts is not None
        assert engine.counts.experts.counts.known <= capacity
        assert engine.counts.popularity.known <= capacity
    newest = predictions.decode(driver.committed(driver.topics.interest_predictions)[-1].value or b"")
    assert set(newest.items) <= set(vocabulary.ids(capacity))
    for user, history in histories(driver).items():
        number = max(n for n in range(NAMES * 60) if f"u{n % USERS}" == user)
        expected = [f"name{n // 60}-{n * 3 % items}" for n in range(number, number - 8 * USERS, -USERS)]
        assert all(item in (name, "") for item, name in zip(history, expected, strict=True))
        assert history[0] == expected[0]
    await trainer.observe()
    await trainer.learn()
    await worker.follow(await trainer.release())
    pairs, others = (engine.counts.pairs(np.arange(capacity + 1)) for engine in (worker.engine, trainer.engine))
    for table in ("successors", "predecessors"):
        np.testing.assert_allclose(pairs[f"{table}.totals"], others[f"{table}.totals"], rtol=1e-4, atol=1e-4)
    assert vocabulary.register.count == NAMES * items
    await trainer.close()
    await worker.stop()


async def test_a_trainer_goes_on_after_items_were_renamed(make_driver: MakeDriver) -> None:
    driver = make_driver("items.capacity=25")
    worker = await driver.start(engine=None)
    trainer = await driver.train()
    for name in range(3):
        driver.send(renamed(name * 60, name * 60 + 60, name, 20))
        await worker.apply_all()
        await trainer.observe()
        await trainer.learn()
        await trainer.save()
        await trainer.release()
    await trainer.close()
    driver.send(renamed(180, 240, 3, 20))
    await worker.apply_all()
    again = await driver.train()
    await again.observe()
    await again.learn()
    await worker.follow(await again.release())
    assert worker.engine.version == again.engine.version
    known = np.arange(1, 26)
    counts, expected = (engine.counts.rows(known)["popularity.counts"] for engine in (worker.engine, again.engine))
    np.testing.assert_allclose(counts, expected, rtol=1e-4, atol=1e-6)
    await driver.check(worker)
    await again.close()
    await worker.stop()


async def test_workers_that_read_the_index_later_have_the_same_slots(make_driver: MakeDriver) -> None:
    driver = make_driver("items.capacity=25")
    worker = await driver.start("a")
    for name in range(NAMES):
        driver.send(renamed(name * 20, name * 20 + 20, name, 20))
        await worker.apply_all()
    await worker.stop()
    other = await driver.start("b")
    driver.send(renamed(220, 240, NAMES, 20))
    await other.apply_all()
    await driver.check(other)
    again = await driver.start("c")
    first, second = vocabulary_of(other), vocabulary_of(again)
    assert first.register.count == second.register.count == (NAMES + 1) * 20
    assert first.ids(25) == second.ids(25)
    index = np.arange(first.register.count + 1)
    assert first.register.slots(index).tolist() == second.register.slots(index).tolist()
    await other.stop()
    await again.stop()


async def test_who_is_seen_stays(make_driver: MakeDriver) -> None:
    driver = make_driver("items.capacity=5")
    worker = await driver.start()
    for number in range(40):
        driver.send([event("u1", 2 * number, "evergreen"), event("u2", 2 * number + 1, f"i{number}")])
        await worker.apply_all()
    vocabulary = vocabulary_of(worker)
    assert vocabulary.slot("evergreen") == 1
    assert set(vocabulary.ids(5)) == {"evergreen", "i39", "i38", "i37", "i36"}
    assert vocabulary.register.count == 41
    await worker.stop()


async def test_protected_items_stay_and_deleted_ones_go_first(make_driver: MakeDriver) -> None:
    driver = make_driver("items.capacity=3")
    worker = await driver.start()
    upsert = {"event_type": "item.upsert", "item_id": "keep", "title": "Keep", "protected": True}
    driver.send([(b"any", orjson.dumps(upsert))])
    await worker.apply_all()
    for number, name in enumerate(("keep", "a", "b")):
        driver.send([event("u1", number, name)])
        await worker.apply_all()
    driver.send([(b"any", b'{"event_type": "item.delete", "item_id": "b"}')])
    await worker.apply_all()
    await _follow_catalog(worker)
    driver.send([event("u1", 4, "c")])
    await worker.apply_all()
    assert vocabulary_of(worker).ids(3) == ["keep", "a", "c"]
    for number in range(5, 15):
        driver.send([event("u1", number, f"i{number}")])
        await worker.apply_all()
    assert vocabulary_of(worker).slot("keep") == 1
    await driver.check(worker)
    await worker.stop()


async def _follow_catalog(worker: DrivenWorker) -> None:
    await worker._worker._items.catalog._follower.catch_up()


async def test_an_index_of_an_earlier_version_reads_as_before(make_driver: MakeDriver) -> None:
    """Empty values, each id perhaps more than once; and more of them than there is room for now."""
    driver = make_driver("items.capacity=3")
    driver.register([b"a", b"b", b"a", b"c", b"d"])
    worker = await driver.start(engine=RowCopy())
    vocabulary = vocabulary_of(worker)
    assert vocabulary.ids(9) == ["a", "b", "c", "d"]
    assert not vocabulary.register.has_evicted
    driver.send([event("u1", 0, "e")])
    await worker.apply_all()
    assert vocabulary.ids(9) == ["e", "b", "c", "d"]
    await worker.stop()


async def test_a_register_with_a_bad_record_is_refused(make_driver: MakeDriver) -> None:
    driver = make_driver()
    driver.register([b"a"], value=b"{")
    with pytest.raises(Exception, match=r"topics\.item_index"):
        await driver.start()
