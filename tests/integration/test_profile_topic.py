"""`interest-stream profile --topic` on a real broker: the figures of the same events in a file."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from tests.integration.commands import fails, succeeds
from tests.integration.deployment import Deploy, Deployment
from tests.topics import create_topics

FIRST_MS = 1731900000000


def click(number: int) -> dict[str, Any]:
    """Every 50th a repeat of the one before; 5 in order of time of 100 are late."""
    late_ms = 60_000 if number % 100 < 5 else 0
    number -= number % 50 == 7
    fields = {
        "user_id": f"u{number % 7}",
        "event_type": "click",
        "item_id": f"i{number % 31}",
        "event_id": f"e{number}",
    }
    return fields | {"timestamp": FIRST_MS + number * 1000 - late_ms, "value": 3 if number % 2 else None}


async def profiles(
    site: Deployment, topic: list[str], events: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of the topic and of a file with these events."""
    log, of_topic, of_file = (site.folder / name for name in ("log.jsonl", "topic.json", "file.json"))
    log.write_text("".join(orjson.dumps(event).decode() + "\n" for event in events))
    printed = await asyncio.to_thread(
        succeeds, site, "profile", *topic, "--topic", "--json", str(of_topic), "--picture", str(site.folder / "p.png")
    )
    await asyncio.to_thread(succeeds, site, "profile", str(log), "--json", str(of_file))
    assert (site.folder / "p.png").read_bytes()[:4] == b"\x89PNG"
    assert "duplicates" in printed
    figures, expected = orjson.loads(of_topic.read_bytes()), orjson.loads(of_file.read_bytes())
    return figures, expected


async def test_a_topic_of_sessions_has_the_figures_of_its_events_in_a_file(deploy: Deploy) -> None:
    site = await deploy()
    topic, events = f"{site.settings.kafka.group_id}-sessions", [click(number) for number in range(500)]
    await create_topics(site.servers, {topic: 1})
    order = {"type": "track", "event": "Order Completed", "userId": "u1", "timestamp": FIRST_MS / 1000 + 600}
    order |= {"properties": {"products": [{"sku": "i1", "price": 2}, {"sku": "i2"}]}}
    async with site.producer() as producer:
        for event in [*events, order]:
            await producer.send(topic, orjson.dumps(event), key=b"session")
        for value in (b"{", None, orjson.dumps({"event_type": "item.upsert", "item_id": "i"})):
            await producer.send(topic, value, key=b"session")
        await producer.flush()
    async with site.producer(transactional_id=f"{topic}-shop") as producer:
        async with producer.transaction():
            await producer.send(topic, orjson.dumps(click(900)))
        await producer.begin_transaction()  # which stays open: its record is not read
        await producer.send_and_wait(topic, orjson.dumps(click(901)))
        figures, expected = await profiles(site, [topic], [*events, order, click(900)])
        await producer.abort_transaction()
    assert figures.pop("format") == f"topic {topic}: 1 partitions, 506 offsets"
    assert {reason: entry["lines"] for reason, entry in figures.pop("left_out").items()} == {
        "not_json": 1,
        "null_value": 1,
        "no event of a user": 1,
    }
    del expected["format"], expected["left_out"]
    assert figures["disorder"].pop("first_late") == "e100"
    expected["disorder"].pop("first_late")
    assert figures == expected
    assert (figures["events"], figures["duplicates"], figures["disorder"]["late_events"]) == (503, 10, 20)


async def test_the_input_is_read_partition_by_partition_with_its_keys_checked(deploy: Deploy) -> None:
    site = await deploy()
    events = [click(number) for number in range(300)]
    await site.send((event["user_id"].encode(), orjson.dumps(event)) for event in events)
    await site.send([(b"nobody", orjson.dumps(events[0]))])
    figures, expected = await profiles(site, [], events)
    assert {reason: entry["lines"] for reason, entry in figures["left_out"].items()} == {"key_mismatch": 1}
    same = ("events", "users", "items", "types", "duplicates", "missing", "user_outliers", "item_outliers", "first_ms")
    assert {name: figures[name] for name in same} == {name: expected[name] for name in same}
    assert figures["disorder"]["max_late_ms"] <= expected["disorder"]["max_late_ms"]


async def test_what_cannot_be_profiled_is_one_line(deploy: Deploy) -> None:
    site = await deploy()
    assert "topic nowhere does not exist" in await asyncio.to_thread(fails, site, "profile", "--topic", "nowhere")
    assert "no event in it: it is empty" in await asyncio.to_thread(fails, site, "profile", "--topic")
    await site.send([(b"u1", b"{")])
    assert "no event in it (1 bad records)" in await asyncio.to_thread(fails, site, "profile", "--topic")
    away = ["kafka.bootstrap_servers=127.0.0.1:9"]
    assert "no broker answers" in await asyncio.to_thread(fails, site, "profile", "--topic", overrides=away)
