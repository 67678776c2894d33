"""Event logs and made-up events sent to Kafka, with a progress bar."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from streams.files.event_logs import LoggedEvent, parse_columns, read_events
from streams.files.item_files import FileItem, read_items
from streams.kafka.pacing import paced_ranges
from streams.kafka.publisher import Publisher
from streams.settings.settings import Settings


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.completed / task.finished_time if task.finished_time else task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="cyan")


async def replay_file(
    settings: Settings,
    console: Console,
    file: Path,
    items_file: Path | None = None,
    columns: str | None = None,
    rate_per_s: float | None = None,
    limit: int | None = None,
    skip_bad: bool = False,
) -> None:
    """The file's events stand in `user-events` and its items in `item-catalog`."""
    with console.status(f"reading {file}"):
        log = read_events(file, parse_columns(columns), skip_bad)
        items = read_items(items_file) if items_file else []
    if log.bad_lines:
        console.print(f"[yellow]{log.bad_lines} bad lines left out[/]")
    await send(settings, console, log.events[:limit], items, rate_per_s)


async def send(
    settings: Settings,
    console: Console,
    events: Sequence[LoggedEvent],
    items: Sequence[FileItem],
    rate_per_s: float | None = None,
) -> None:
    """Items first, then the events, in their order per user; acknowledged by all in-sync replicas."""
    servers, topics = settings.kafka.bootstrap_servers, settings.topics
    pairs = [(item.item_id.encode(), item.encode()) for item in items]
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
    with progress:
        if pairs:
            task = progress.add_task(topics.item_catalog, total=len(pairs))
            async with Publisher(servers, topics.item_catalog) as publisher:
                async for start, end in paced_ranges(len(pairs), None):
                    await publisher.send(pairs[start:end])
                    progress.update(task, completed=end)
        task = progress.add_task(topics.user_events, total=len(events))
        async with Publisher(servers, topics.user_events) as publisher:
            async for start, end in paced_ranges(len(events), rate_per_s):
                await publisher.send([(event.user_id.encode(), event.encode()) for event in events[start:end]])
                progress.update(task, completed=end)
