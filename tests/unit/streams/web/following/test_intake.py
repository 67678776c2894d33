from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from aiokafka import ConsumerRecord

from streams.errors import RegistryError
from streams.kafka.offset_reader import Position, Records
from streams.schema.quality import Means, WorkerQuality
from streams.settings.settings import Settings, load_settings
from streams.web.following.intake import Intake
from streams.web.view.view import View
from tests.inputs import FIRST_MS, Input
from tests.records import consumer_record
from tests.unit.streams.web.predictions import encoded, prediction

Record = ConsumerRecord[bytes, bytes]
HUGE = 10**30


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, [f"web.data_dir={tmp_path}"])


@pytest.fixture
def view(settings: Settings) -> Iterator[View]:
    view = View(settings)
    yield view
    view.close()


def fetched(settings: Settings, **topics: Sequence[Input]) -> dict[Position, tuple[Records, int]]:
    """Keys and values by setting of their topic, all in partition 0, at offsets from 100 on."""
    batches: dict[Position, tuple[Records, int]] = {}
    for setting, pairs in topics.items():
        topic = getattr(settings.topics, setting)
        records: list[Record] = [
            consumer_record(value, key, topic=topic, partition=0, offset=100 + number)
            for number, (key, value) in enumerate(pairs)
        ]
        batches[topic, 0] = records, 100 + len(records)
    return batches


def spoilt(**changes: Any) -> tuple[bytes, bytes]:
    """A prediction that is none."""
    key, value = encoded(prediction("bad", 1))
    return key, orjson.dumps(orjson.loads(value) | changes)


async def test_what_is_no_prediction_is_passed_over_and_its_neighbours_are_not(view: View, settings: Settings) -> None:
    _, value = encoded(prediction("bad", 1))
    bad = [
        (b"bad", b"no JSON"),
        (b"bad", b""),
        (b"bad", b"[" * 100_000),
        (b"\xff", None),
        (b"\xff", value),
        spoilt(item_p=[0.5]),
        spoilt(item_p=[0.5, 7]),
        spoilt(user_id=None),
        (b"bad", value.replace(b'"emitted_at":17', b'"emitted_at":' + str(HUGE).encode())),
        (b"bad", value.replace(b'"event_time":', b'"event_time":-' + str(HUGE).encode())),
    ]
    intake = Intake(settings, view, None)
    given = [encoded(prediction("first", 1)), *bad, (None, None), encoded(prediction("last", 2))]
    updates = await intake.apply(fetched(settings, interest_predictions=given))
    assert [user for user, _ in updates] == ["first", "last"]
    assert [user for user, _ in view.users.listed("", "")] == ["first", "last"]
    assert intake.unreadable.total() == len(bad)
    assert view.positions.all() == {(settings.topics.interest_predictions, 0): 100 + len(given)}


async def test_bad_items_and_records_of_quality_are_passed_over(view: View, settings: Settings) -> None:
    means = Means(0.5, 0.25, 4.0)
    numbers: dict[str, Any] = {"events": 9, "scored": 5, "window": 5, "possible": 5}
    quality = WorkerQuality(
        0.5, 0.25, 4.0, worker="w", emitted_at=FIRST_MS, model_version="00000001.1", popularity=means, **numbers
    )
    good = msgspec.json.encode(quality)
    intake = Intake(settings, view, None)
    await intake.apply(
        fetched(
            settings,
            item_catalog=[
                (b"i1", orjson.dumps({"title": "One"})),
                (b"i2", b"{"),
                (None, b"{}"),
                (b"i3", orjson.dumps({})),
            ],
            interest_quality=[
                (b"w", b"{}"),
                (b"w", good),
                (b"x", good.replace(b'"emitted_at":17', b'"emitted_at":' + str(HUGE).encode())),
                (b"gone", None),
            ],
        )
    )
    assert view.meta.items == 2
    assert view.catalog.describe(["i1"])["i1"].title == "One"
    assert [point.emitted_at for point in view.quality.history(0)] == [FIRST_MS]
    assert intake.unreadable.total() == 4


async def test_dead_letters_are_counted_whatever_their_headers_hold(view: View, settings: Settings) -> None:
    headers = [("interest.error.reason", b"not_json"), ("interest.error.offset", str(HUGE).encode())]
    topic = settings.topics.user_events_dlq
    letters: list[Record] = [
        consumer_record(b"\xff<b>" + b"x" * 10_000, None, headers, topic=topic, partition=0, offset=offset)
        for offset in range(1100)
    ]
    intake = Intake(settings, view, None)
    await intake.apply({(topic, 0): ([*letters, consumer_record(b"", topic=topic, partition=0)], 1101)})
    assert view.letters.by_reason() == {"not_json": 1100}
    newest = list(view.letters.newest(None))
    assert len(newest) == 1000
    assert newest[0][1].value.startswith("\\xff<b>xx")
    assert len(newest[0][1].value) == 2000


async def test_nothing_changes_where_the_registry_is_away(view: View, settings: Settings) -> None:
    """What was fetched comes again, and must not count twice."""

    class Away:
        async def load(self, records: object) -> None:
            raise RegistryError("away")

        def to_json(self, framed: bytes) -> bytes:
            raise AssertionError

    given = fetched(settings, interest_predictions=[encoded(prediction("u", 1))], item_catalog=[(b"i1", b"{}")])
    with pytest.raises(RegistryError):
        await Intake(settings, view, Away()).apply(given)
    assert (view.meta.users, view.audience.snapshot().items) == (0, [])
    await Intake(settings, view, None).apply(given)
    assert (view.meta.users, view.audience.item("i1")) == (1, (0.5, 1))
