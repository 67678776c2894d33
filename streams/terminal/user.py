"""One user's state: the changelog row, the history of recent events in it, and the latest prediction."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from models.data.event_types import EVENT_TYPES
from models.data.user_state import user_state_fields
from state.rows import RowLayout
from streams.errors import StreamError
from streams.kafka.reader import partition_count, partition_of, read_topic
from streams.schema.predictions import Prediction
from streams.settings.sections import KafkaSettings
from streams.settings.settings import Settings
from streams.terminal.predictions import read_prediction, render_prediction
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


async def load_user(settings: Settings, user: str) -> UserState:
    """The user's committed state. Raises UnknownUserError if there is none."""
    kafka, topic = settings.kafka, settings.changelog_topic
    partitions = await partition_count(kafka, topic)
    partition = partition_of(user.encode(), partitions)
    value = await _latest_value(kafka, topic, partition, user)
    if value is None:
        raise UnknownUserError(
            f"no row of user {user!r} in {topic}: no event of this user has been applied yet, or the user was deleted"
        )
    row = RowLayout(user_state_fields(settings.model)).unpack([value])[0]
    length, count = settings.model.history_length, int(row["steps"])  # events written to the ring buffer
    slots = [event % length for event in range(count - 1, max(-1, count - 1 - length), -1)]  # newest first
    ids = await _item_ids(kafka, settings.topics.item_index, max([0, *(int(row["ring_item"][slot]) for slot in slots)]))
    history = [(EVENT_TYPES[row["ring_type"][slot]], ids[row["ring_item"][slot]]) for slot in slots]
    return UserState(
        user,
        partition,
        int(row["count"]),
        int(row["last_offset"]),
        row["chain"].tobytes(),
        int(row["last_time_ms"]),
        history,
    )


async def load_prediction(settings: Settings, user: str) -> Prediction | None:
    """The user's latest prediction; None if there is none."""
    kafka, topic = settings.kafka, settings.topics.interest_predictions
    partition = partition_of(user.encode(), await partition_count(kafka, topic))
    value = await _latest_value(kafka, topic, partition, user)
    return None if value is None else read_prediction(value)


async def show_user(settings: Settings, console: Console, user: str) -> None:
    """Print the user's state, recent events and latest prediction."""
    state = await load_user(settings, user)
    prediction = await load_prediction(settings, user)
    last_seen = datetime.fromtimestamp(state.last_time_ms / 1000, UTC)
    summary = Table.grid(padding=(0, 2))
    summary.add_row("events applied", f"[bold]{state.count}[/]")
    summary.add_row("last seen", f"{last_seen:%Y-%m-%d %H:%M:%S} UTC")
    summary.add_row("last applied record", f"partition {state.partition}, offset {state.last_offset}")
    summary.add_row("hash chain of event ids", f"{state.event_hash.hex()}")
    async with ItemTitles(settings.kafka, settings.topics.item_catalog) as titles:
        recent = Table.grid(padding=(0, 2))
        recent.add_column()
        recent.add_column(no_wrap=True, overflow="ellipsis")
        recent.add_column(no_wrap=True, overflow="ellipsis")
        for event_type, item in state.history[:SHOWN_EVENTS]:
            recent.add_row(
                Text(event_type, "dim"), Text(titles(item)), Text(", ".join(titles.categories(item)), "magenta")
            )
        console.print(Text(user, style="bold cyan"))
        console.print(summary)
        console.print(f"\n[bold]Recent events[/], newest first ({len(state.history)} stored)")
        console.print(recent)
        console.print("\n[bold]Latest prediction[/]")
        console.print("[dim]none yet[/]" if prediction is None else render_prediction(prediction, titles))


async def _latest_value(kafka: KafkaSettings, topic: str, partition: int, user: str) -> bytes | None:
    key, value = user.encode(), None
    async for record in read_topic(kafka, topic, partitions=[partition]):
        if record.key == key:
            value = record.value
    return value


async def _item_ids(kafka: KafkaSettings, topic: str, largest: int) -> list[str]:
    """Item ids by item index, the order of first appearance in `item-index`; "" at 0, at least up to `largest`."""
    ids = {"": 0}
    if largest:
        async for record in read_topic(kafka, topic):
            ids.setdefault((record.key or b"").decode(), len(ids))
    if len(ids) <= largest:
        raise StreamError(
            f"{topic} lists {len(ids) - 1} items, but the row refers to item {largest}: "
            "topics.item_index does not belong to the changelog"
        )
    return list(ids)
