"""Dead letters listed, shown and replayed, on a real broker."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import defaultdict
from functools import partial
from typing import Any

import orjson
import pytest
from aiokafka import ConsumerRecord, TopicPartition
from rich.console import Console

from streams.errors import Rejected, ReplayFencedError
from streams.kafka.transaction import ProducerRecord, TransactionWriter
from streams.reference_fold import fold_changelog
from streams.schema.dead_letters.dead_letter import dead_letter
from streams.settings.sections import EventSettings
from streams.settings.settings import Settings
from streams.terminal.dead_letters import LetterFilter, find_letter, print_letter, read_letters
from streams.worker import dead_letter_replay
from streams.worker.dead_letter_replay import replay_letters
from tests.inputs import Input, event
from tests.integration.deployment import Deploy, Deployment


def without_item(user: str, number: int) -> Input:
    """A click whose item has a name that only a map knows."""
    fields = {"user_id": user, "event_type": "click", "sku": f"i{number % 7}", "timestamp": 1731900000000 + number}
    return user.encode(), orjson.dumps(fields)


async def events_applied(site: Deployment) -> int:
    rows = await fold_changelog(site.settings.kafka, site.settings.changelog_topic)
    return sum(row.count for row in rows.values())


async def test_letters_are_replayed_once_after_the_settings_were_mended(deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker()
    await site.send(without_item(f"u{n % 5}", n) for n in range(30))
    await site.send([(b"u1", b"not json"), *(event("u1", n) for n in range(100, 110))])
    await worker.owns()
    await site.applied()

    letters = await read_letters(site.settings, LetterFilter(reasons=("missing_field",)))
    assert len(letters) == 30
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        print_letter(console, await find_letter(site.settings, letters[0].position))
    assert '"sku": "i' in captured.get()

    unchanged = await replay_letters(site.settings, partial(read_letters, site.settings, LetterFilter()))
    assert (unchanged.letters, dict(unchanged.still_refused)) == (0, {"missing_field": 30, "not_json": 1})
    mended = dataclasses.replace(site.settings, events=EventSettings(map={"item": "sku"}))
    read = partial(read_letters, mended, LetterFilter())
    assert (await replay_letters(mended, read, dry_run=True)).events == 30
    counts = await replay_letters(mended, read)
    assert (counts.letters, counts.events, dict(counts.still_refused)) == (30, 30, {"not_json": 1})
    again = await replay_letters(mended, read)
    assert (again.letters, again.events, again.replayed_before) == (0, 0, 30)

    sent = [record async for record in site.read(site.settings.topics.user_events)]
    while await events_applied(site) < 40:
        assert worker.exit_code is None, worker.text()
    await worker.stop()
    assert (await site.compare()).exact
    ids = {event.get("event_id") for event in (orjson.loads(r.value) for r in sent if r.value and r.value[:1] == b"{")}
    assert {f"{letter.topic}:{letter.partition}:{letter.offset}" for letter in letters} <= ids


async def dead_letters(site: Deployment, count: int) -> Settings:
    """So many letters, and settings by which they can be used."""
    source = site.settings.topics.user_events
    records = defaultdict(list)
    for number in range(count):
        key, value = without_item(f"u{number % 5}", number)
        record = ConsumerRecord(source, number % 3, number, 1731900000000, 0, key, value, None, 0, 0, ())
        letter = dead_letter(record, Rejected("missing_field", "no item"), "1")
        tp = TopicPartition(site.settings.topics.user_events_dlq, number % 3)
        records[tp].append(ProducerRecord(*letter))
    writer = TransactionWriter(site.settings.kafka)
    await writer.start()
    await writer.write(records)
    await writer.stop()
    return dataclasses.replace(site.settings, events=EventSettings(map={"item": "sku"}))


@pytest.mark.parametrize("transactions", [0, 1])
async def test_of_two_replays_at_a_time_the_later_one_sends_what_is_left(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch, transactions: int
) -> None:
    """The first is held up after so many transactions."""
    site = await deploy()
    settings = await dead_letters(site, 60)
    monkeypatch.setattr(dead_letter_replay, "_LETTERS_PER_TRANSACTION", 10)
    read = partial(read_letters, settings, LetterFilter())
    write, held, released = TransactionWriter.write, asyncio.Event(), asyncio.Event()
    written = 0

    async def write_held(self: TransactionWriter, *args: Any) -> dict[TopicPartition, int]:
        nonlocal written
        if written == transactions and not held.is_set():
            held.set()
            await released.wait()
        written += 1
        return await write(self, *args)

    monkeypatch.setattr(TransactionWriter, "write", write_held)
    first = asyncio.create_task(replay_letters(settings, read))
    holding = asyncio.create_task(held.wait())
    await asyncio.wait([first, holding], return_when=asyncio.FIRST_COMPLETED)
    assert not first.done(), await first
    second = await replay_letters(settings, read)
    assert (second.events, second.replayed_before) == (60 - 10 * transactions, 10 * transactions)
    released.set()
    with pytest.raises(ReplayFencedError, match="another `dlq replay` of the group"):
        await first
    sent = [orjson.loads(record.value)["event_id"] async for record in site.read(settings.topics.user_events)]
    assert len(sent) == len(set(sent)) == 60
    assert (await replay_letters(settings, read)).replayed_before == 60
