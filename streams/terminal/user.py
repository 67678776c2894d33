"""One user's state: the changelog row, the history of recent events in it, and the latest prediction."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.data.event_types import EVENT_TYPES
from models.data.user_row import user_row_fields
from models.items.slots import ItemSlots
from state.row_format import RowFormat
from streams.errors import StreamError
from streams.kafka.reader import crc32_partition_of, partition_count, partition_of, read_topic
from streams.registry.prediction_reader import PredictionReader
from streams.schema.item_registration import decode_registration
from streams.schema.predictions import Prediction
from streams.schema.record import keys_of
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings
from streams.terminal.predictions import render_prediction
from streams.terminal.text import format_time, printable
from streams.terminal.titles import ItemTitles

SHOWN_EVENTS = 10


@dataclass(frozen=True, slots=True)
class UserState:
    """One user's row of the changelog topic, decoded."""

    user_id: str
    partition: int
    count: int
    last_offset: int
    event_hash: bytes
    last_time_ms: int
    history: list[tuple[str, str]]  # event type, item id ("" = no item); newest first


class UnknownUserError(StreamError):
    """The changelog has no row of this user."""


async def load_user(settings: Settings, user: str) -> list[UserState]:
    """The user's committed state, one for each partition that has a row. Raises UnknownUserError if none has."""
    kafka, topic = settings.kafka, settings.changelog_topic
    values = await _latest_values(kafka, topic, user)
    if not values:
        raise UnknownUserError(
            f"no row of user {user!r} in {topic}: no event of this user has been applied yet, or the user was deleted"
        )
    row_format, length = RowFormat(user_row_fields(settings.model)), settings.model.history_length
    names = ("count", "last_offset", "chain", "last_time_ms", "steps", "ring_type", "ring_item")
    rows = {partition: row_format.read(value, *names) for partition, value in values.items()}
    # Newest first; `steps` counts the events written to the ring buffer.
    slots = {
        partition: [event % length for event in range(steps - 1, max(-1, steps - 1 - length), -1)]
        for partition, steps in ((partition, row["steps"]) for partition, row in rows.items())
    }
    largest = max([0, *(rows[partition]["ring_item"][slot] for partition in rows for slot in slots[partition])])
    ids = await _item_ids(kafka, settings.topics.item_index, largest)
    return [
        UserState(
            user,
            partition,
            row["count"],
            row["last_offset"],
            bytes(row["chain"]),
            row["last_time_ms"],
            [(EVENT_TYPES[row["ring_type"][slot]], ids[row["ring_item"][slot]]) for slot in slots[partition]],
        )
        for partition, row in rows.items()
    ]


async def load_prediction(settings: Settings, user: str, partition: int) -> Prediction | None:
    """The user's latest prediction in this partition; None if there is none."""
    values = await _latest_values(settings.kafka, settings.topics.interest_predictions, user, [partition])
    return await PredictionReader(settings.registry).read(values[partition]) if partition in values else None


async def show_user(settings: Settings, console: Console, user: str) -> None:
    """Print the user's state, recent events and latest prediction, once for each partition that has a row."""
    states = await load_user(settings, user)
    console.print(Text(printable(user), style="bold cyan"))
    if len(states) > 1:
        console.print(
            f"[yellow]rows in {len(states)} partitions: producers use different partitioners, and each row has a part "
            "of the events; set partitioner=murmur2_random in producers of librdkafka[/]"
        )
    async with ItemTitles(settings) as titles:
        for state in states:
            prediction = await load_prediction(settings, user, state.partition)
            _print_state(console, state, prediction, titles)


def _print_state(console: Console, state: UserState, prediction: Prediction | None, titles: ItemTitles) -> None:
    summary = Table.grid(padding=(0, 2))
    summary.add_row("events applied", f"[bold]{state.count}[/]")
    summary.add_row("last seen", format_time(state.last_time_ms))
    summary.add_row("last applied record", f"partition {state.partition}, offset {state.last_offset}")
    summary.add_row("hash chain of event ids", f"{state.event_hash.hex()}")
    recent = Table.grid(padding=(0, 2))
    recent.add_column()
    recent.add_column(no_wrap=True, overflow="ellipsis")
    recent.add_column(no_wrap=True, overflow="ellipsis")
    for event_type, item in state.history[:SHOWN_EVENTS]:
        recent.add_row(
            Text(event_type, "dim"),
            Text(printable(titles(item))),
            Text(printable(", ".join(titles.categories(item))), "magenta"),
        )
    console.print(summary)
    console.print(f"\n[bold]Recent events[/], newest first{shown_events(len(state.history))}")
    console.print(recent)
    console.print("\n[bold]Latest prediction[/]")
    console.print("[dim]none yet[/]" if prediction is None else render_prediction(prediction, titles))


def shown_events(stored: int) -> str:
    """What to add where not all stored events are shown."""
    return f": the last {SHOWN_EVENTS} of {stored} stored" if stored > SHOWN_EVENTS else ""


async def _latest_values(
    kafka: KafkaSettings, topic: str, user: str, partitions: Sequence[int] | None = None
) -> dict[int, bytes]:
    """The user's newest value in each partition that has one.

    Without `partitions`, those that the usual serializers and partitioners lead to are read first; the others, which
    takes longer, only where none of these has the user.
    """
    key = user.encode()
    if partitions is None:
        count = await partition_count(kafka, topic)
        usual = sorted({choose(sent, count) for sent in keys_of(user) for choose in (partition_of, crc32_partition_of)})
        others = [partition for partition in range(count) if partition not in usual]
        values = await _latest_values(kafka, topic, user, usual)
        return values if values or not others else await _latest_values(kafka, topic, user, others)
    values = {}
    async for record in read_topic(kafka, topic, partitions=partitions):
        if record.key == key and record.value is None:
            values.pop(record.partition, None)
        elif record.key == key and record.value is not None:
            values[record.partition] = record.value
    return dict(sorted(values.items()))


async def _item_ids(kafka: KafkaSettings, topic: str, largest: int) -> list[str]:
    """Item ids by item index, the number of the registration in `item-index`; "" at 0, at least up to `largest`."""
    ids, slots = [""], ItemSlots()
    if largest:
        async for record in read_topic(kafka, topic):
            item_id, registration = decode_registration(topic, record.key, record.value, record.timestamp)
            if slots.register(item_id, registration) is not None:
                ids.append(item_id)
    if len(ids) <= largest:
        raise StreamError(
            f"{topic} lists {len(ids) - 1} items, but the row refers to item {largest}: "
            "topics.item_index does not belong to the changelog"
        )
    return ids
