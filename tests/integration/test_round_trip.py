"""Records in, rows and predictions out: every kind of record, the good, the controlling and the bad."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from streams.schema import predictions
from streams.schema.predictions import Prediction
from tests.inputs import Input, event
from tests.integration.deployment import Deploy, Deployment, round_robin_event

NOW_MS = 1731900000000


async def test_every_event_counts_once(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(2000))
    await site.send(
        (
            b"alias",
            orjson.dumps({"userId": "alias", "eventType": "view", "itemId": "i1", "sentAt": time, "eventId": id_}),
        )
        for id_, time in (("a1", "2024-11-18T03:20:00Z"), ("a2", NOW_MS // 1000), ("a3", NOW_MS))
    )
    await site.finish(worker)
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == 2003
    assert rows["alias"].count == 3


async def test_deleted_user_is_gone_and_may_come_back(deploy: Deploy) -> None:
    site = await deploy("topics.partitions=1")
    worker = site.worker()
    await site.send(event(user, n) for n, user in enumerate(["gone", "back", "stays", "back"] * 20))
    await site.applied()
    await site.send(
        (user, orjson.dumps({"event_type": "user.delete", "user_id": user.decode()})) for user in (b"gone", b"back")
    )
    await site.send([event("back", 100), event("stays", 101)])
    await site.send(
        [
            event("brief", 102),
            (b"brief", orjson.dumps({"event_type": "user.delete", "user_id": "brief"})),
            event("brief", 103),
        ]
    )
    await site.finish(worker)
    rows = await site.check(stopped=["a"])
    assert {user: row.count for user, row in rows.items()} == {"back": 1, "stays": 21, "brief": 1}
    for topic in (site.settings.changelog_topic, site.settings.topics.interest_predictions):
        assert [r.value async for r in site.read(topic) if r.key == b"gone"][-1] is None


async def test_items_are_described_by_control_records(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker()
    for n in range(3):
        item: dict[str, Any] = {
            "event_type": "item.upsert",
            "item_id": f"i{n}",
            "title": f"T{n}",
            "categories": ["Drama"],
        }
        await site.send([(b"any", orjson.dumps(item))])
    await site.send([(b"any", orjson.dumps({"event_type": "item.delete", "item_id": "i2"}))])
    await site.applied()
    catalog = {r.key: r.value async for r in site.read(site.settings.topics.item_catalog)}
    assert catalog.keys() == {b"i0", b"i1", b"i2"}
    assert orjson.loads(catalog[b"i1"])["title"] == "T1"
    assert catalog[b"i2"] is None

    number = 0
    async with asyncio.timeout(120):
        while not (prediction := await _newest(site)) or prediction.categories != ["Drama"]:
            await site.send(round_robin_event(n, users=5, items=3) for n in range(number, number + 50))
            number += 50
            await site.applied()
    assert "i2" not in prediction.items
    await site.finish(worker)
    await site.check(stopped=["a"])


async def _newest(site: Deployment) -> Prediction | None:
    records = [r async for r in site.read(site.settings.topics.interest_predictions)]
    return predictions.decode(max(records, key=lambda r: r.timestamp).value) if records else None


MOST = 65_536
DEEP = b'{"properties": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"
POISON: dict[str, tuple[Input, str]] = {
    "bad JSON": ((b"u1", b'{"user_id": "u1"'), "not_json"),
    "bad UTF-8": ((b"u1", b'{"user_id": "u1", "event_type": "\xff"}'), "not_utf8"),
    "null": ((b"u1", None), "null_value"),
    "an array": ((b"u1", b"[1, 2]"), "not_an_object"),
    "wrong type": ((b"u1", b'{"user_id": 1.5, "event_type": "click", "item_id": "i1", "timestamp": 1}'), "wrong_type"),
    "not a number": (
        (b"u1", b'{"user_id": "u1", "event_type": "rating", "item_id": "i1", "timestamp": NaN}'),
        "missing_field",
    ),
    "too deep": ((b"u1", DEEP), "nesting_too_deep"),
    "another's key": ((b"u2", event("u1", 1)[1]), "key_mismatch"),
    "no key": ((None, event("u1", 1)[1]), "missing_key"),
    "a key that is not UTF-8": ((b"\xff", event("u1", 1)[1]), "key_mismatch"),
    "a reserved id": ((b"\0source-offset", event("\0source-offset", 1)[1]), "reserved_id"),
    "no item": ((b"u1", b'{"user_id": "u1", "event_type": "click", "timestamp": 1}'), "missing_field"),
    "one byte too large": ((b"u1", b" " * (MOST + 1)), "record_too_large"),
    "as large as the topic allows": ((b"u1", b"x" * (2 * MOST - 100)), "record_too_large"),
}


async def test_poison_records_are_dead_lettered_and_their_neighbours_count(deploy: Deploy) -> None:
    site = await deploy(f"kafka.max_record_bytes={MOST}")
    worker = site.worker()
    sent: list[Input] = []
    for number, (poison, _) in enumerate(POISON.values()):
        sent += [event("u1", 2 * number), poison, event("u1", 2 * number + 1)]
    await site.send(sent)
    await site.finish(worker)
    rows = await site.check(stopped=["a"])
    assert rows["u1"].count == 2 * len(POISON)
    assert rows.keys() == {"u1"}

    letters = {_reason(r, "offset", "partition"): r async for r in site.read(site.settings.topics.user_events_dlq)}
    inputs = [r async for r in site.read(site.settings.topics.user_events)]
    originals = {
        (str(r.offset), str(r.partition)): r for r in inputs if (r.key, r.value) in [p for p, _ in POISON.values()]
    }
    assert letters.keys() == originals.keys()
    assert len(letters) == len(POISON)
    codes = dict(POISON.values())
    for source, original in originals.items():
        letter = letters[source]
        assert _reason(letter, "reason") == (codes[original.key, original.value],)
        assert letter.timestamp == original.timestamp
        assert letter.key == original.key
        if len(original.value or b"") <= MOST:
            assert letter.value == original.value
        else:
            assert orjson.loads(letter.value)["bytes"] == len(original.value)


def _reason(record: Any, *names: str) -> tuple[str, ...]:
    headers = dict(record.headers)
    return tuple(headers[f"interest.error.{name}"].decode() for name in names)


@pytest.mark.parametrize("most", [1024])
async def test_rows_and_predictions_larger_than_the_largest_event(deploy: Deploy, most: int) -> None:
    site = await deploy(f"kafka.max_record_bytes={most}", "model.hidden_size=512", "predictions.top_items=50")
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(500))
    await site.finish(worker)
    await site.check(stopped=["a"])
