"""Dead letters listed, shown and replayed, and users of two partitions, on a real broker."""

from __future__ import annotations

import dataclasses

import orjson
from rich.console import Console

from streams.kafka.reader import crc32_partition_of, partition_of
from streams.reference_fold import fold_changelog
from streams.settings.sections import EventSettings
from streams.terminal.dead_letters import LetterFilter, find_letter, print_letter, read_letters
from streams.terminal.user import load_user, show_user
from streams.worker.dead_letter_replay import replay_letters
from tests.integration.deployment import Deploy, Deployment, Input, event_of


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
    await site.send([(b"u1", b"not json"), *(event_of("u1", n) for n in range(100, 110))])
    await worker.owns()
    await site.applied()

    letters = await read_letters(site.settings, LetterFilter(reasons=("missing_field",)))
    assert len(letters) == 30
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        print_letter(console, await find_letter(site.settings, letters[0].position))
    assert '"sku": "i' in captured.get()

    everything = LetterFilter()
    unchanged = await replay_letters(site.settings, await read_letters(site.settings, everything))
    assert (unchanged.letters, dict(unchanged.still_refused)) == (0, {"missing_field": 30, "not_json": 1})
    mended = dataclasses.replace(site.settings, events=EventSettings(map={"item": "sku"}))
    dry = await replay_letters(mended, letters, dry_run=True)
    assert dry.events == 30
    counts = await replay_letters(mended, await read_letters(mended, everything))
    assert (counts.letters, counts.events, dict(counts.still_refused)) == (30, 30, {"not_json": 1})
    again = await replay_letters(mended, await read_letters(mended, everything))
    assert (again.letters, again.events) == (0, 0)

    sent = [record async for record in site.read(site.settings.topics.user_events)]
    while await events_applied(site) < 40:
        assert worker.exit_code is None, worker.text()
    await worker.stop()
    assert (await site.compare()).exact
    ids = {event.get("event_id") for event in (orjson.loads(r.value) for r in sent if r.value and r.value[:1] == b"{")}
    assert {f"{letter.topic}:{letter.partition}:{letter.offset}" for letter in letters} <= ids


async def test_a_user_of_two_partitions_is_shown_and_erased_in_both(deploy: Deploy) -> None:
    site = await deploy()
    topic, user = site.settings.topics.user_events, "u"
    while partition_of(user.encode(), 3) == crc32_partition_of(user.encode(), 3):
        user += "u"
    partitions = sorted({partition_of(user.encode(), 3), crc32_partition_of(user.encode(), 3)})
    async with site.producer() as producer:
        for partition in partitions:
            key, value = event_of(user, partition)
            await producer.send_and_wait(topic, value, key=key, partition=partition)
    worker = site.worker()
    await worker.owns()
    await site.applied(2)
    assert [state.partition for state in await load_user(site.settings, user)] == partitions
    console = Console(width=160, force_terminal=False)
    with console.capture() as captured:
        await show_user(site.settings, console, user)
    assert "rows in 2 partitions" in captured.get()
    assert captured.get().count("Latest prediction") == 2

    await site.send([(user.encode(), orjson.dumps({"event_type": "user.delete", "user_id": user}))])
    while await fold_changelog(site.settings.kafka, site.settings.changelog_topic):
        assert worker.exit_code is None, worker.text()
    await worker.stop()
