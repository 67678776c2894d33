"""What is stored of one user: the row in the changelog, the ring of recent items, and the latest prediction."""

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
from streams.settings.settings import Settings
from streams.terminal.predictions import read_prediction, render
from streams.terminal.titles import Titles

SHOWN_STEPS = 10


@dataclass(frozen=True, slots=True)
class StoredUser:
    """One user's row, with the ring's items by id, newest first."""

    user_id: str
    partition: int
    count: int
    last_offset: int
    chain: bytes
    last_time_ms: int
    steps: list[tuple[str, str]]  # event type, item id ("" = no item)


class UnknownUserError(StreamError):
    """Nothing is stored of this user."""


async def load_user(settings: Settings, user: str) -> StoredUser:
    """The user's committed row; `UnknownUserError` where there is none."""
    servers, topic = settings.kafka.bootstrap_servers, settings.changelog_topic
    partitions = await partition_count(servers, topic)
    partition = partition_of(user.encode(), partitions)
    value = await _newest(servers, topic, partition, user)
    if value is None:
        raise UnknownUserError(
            f"no row of user {user!r} in {topic}: no event of theirs has been applied yet, or they have been erased"
        )
    row = RowLayout(user_state_fields(settings.model)).unpack([value])[0]
    ring, taken = settings.model.history_length, int(row["steps"])
    slots = [step % ring for step in range(taken - 1, max(-1, taken - 1 - ring), -1)]
    ids = await _item_ids(servers, settings.topics.item_index, max([0, *(int(row["ring_item"][s]) for s in slots)]))
    steps = [(EVENT_TYPES[row["ring_type"][slot]], ids[row["ring_item"][slot]]) for slot in slots]
    return StoredUser(
        user,
        partition,
        int(row["count"]),
        int(row["last_offset"]),
        row["chain"].tobytes(),
        int(row["last_time_ms"]),
        steps,
    )


async def load_prediction(settings: Settings, user: str) -> Prediction | None:
    """The user's latest prediction, None where there is none."""
    servers, topic = settings.kafka.bootstrap_servers, settings.topics.interest_predictions
    partition = partition_of(user.encode(), await partition_count(servers, topic))
    value = await _newest(servers, topic, partition, user)
    return None if value is None else read_prediction(value)


async def show(settings: Settings, console: Console, user: str) -> None:
    """Prints what is stored of the user."""
    stored = await load_user(settings, user)
    prediction = await load_prediction(settings, user)
    seen = datetime.fromtimestamp(stored.last_time_ms / 1000, UTC)
    facts = Table.grid(padding=(0, 2))
    facts.add_row("events applied", f"[bold]{stored.count}[/]")
    facts.add_row("last seen", f"{seen:%Y-%m-%d %H:%M:%S} UTC")
    facts.add_row("last applied record", f"partition {stored.partition}, offset {stored.last_offset}")
    facts.add_row("chain of event ids", f"{stored.chain.hex()}")
    async with Titles(settings.kafka.bootstrap_servers, settings.topics.item_catalog) as titles:
        recent = Table.grid(padding=(0, 2))
        recent.add_column()
        recent.add_column(no_wrap=True, overflow="ellipsis")
        recent.add_column(no_wrap=True, overflow="ellipsis")
        for kind, item in stored.steps[:SHOWN_STEPS]:
            recent.add_row(Text(kind, "dim"), Text(titles(item)), Text(", ".join(titles.categories(item)), "magenta"))
        console.print(Text(user, style="bold cyan"))
        console.print(facts)
        console.print(f"\n[bold]Recent events[/], newest first ({len(stored.steps)} remembered)")
        console.print(recent)
        console.print("\n[bold]Latest prediction[/]")
        console.print("[dim]none yet[/]" if prediction is None else render(prediction, titles))


async def _newest(servers: str, topic: str, partition: int, user: str) -> bytes | None:
    key, value = user.encode(), None
    async for record in read_topic(servers, topic, partitions=[partition]):
        if record.key == key:
            value = record.value
    return value


async def _item_ids(servers: str, topic: str, largest: int) -> list[str]:
    """Item ids by index, "" for none, at least up to the largest: the register's order of first appearance."""
    ids = {"": 0}
    if largest:
        async for record in read_topic(servers, topic):
            ids.setdefault((record.key or b"").decode(), len(ids))
    if len(ids) <= largest:
        raise StreamError(f"{topic} registers {len(ids) - 1} items, but a row names item {largest}: not its register")
    return list(ids)
