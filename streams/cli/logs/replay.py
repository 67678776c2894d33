"""Event logs and made-up events sent to Kafka, with a progress bar."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from streams.files.cleaning import NO_RULES, Cleaner, CleaningRules
from streams.files.event_logs import no_events, open_events
from streams.files.event_roles import parse_columns
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.log_error import LogError
from streams.files.item_files import FileItem, read_items
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent
from streams.files.replay_position import ReplayPosition
from streams.files.time_order import in_time_order
from streams.kafka.pacing import paced_ranges
from streams.kafka.publisher import Publisher
from streams.schema.decoder import SchemaRules
from streams.schema.event_encoder import canonical_headers
from streams.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """Options of the command line."""

    items: Path | None = None
    columns: str | None = None
    format: FormatOptions = field(default_factory=FormatOptions)
    rate_per_s: float | None = None
    limit: int | None = None
    skip_bad: bool = False
    clean: CleaningRules = NO_RULES
    resume: bool = False
    restart: bool = False
    state_folder: Path | None = None


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.completed / task.finished_time if task.finished_time else task.speed
        return Text("" if speed is None else f"{speed:,.0f}/s", style="cyan")


async def replay_file(settings: Settings, console: Console, file: Path, options: ReplayOptions) -> None:
    """The file's events stand in `user-events` and its items in `item-catalog`; what was left out is printed."""
    log = open_events(file, parse_columns(options.columns), options.format, SchemaRules.of(settings.events))
    print_plain(console, log.description)
    position = _position(settings, console, file, options)
    items = read_items(options.items) if options.items and not position.sent else []
    with ExitStack() as stack:
        with console.status("reading") as status:
            ordering = in_time_order(
                lambda left_out: log.events(left_out, options.skip_bad),
                lambda events: status.update(f"reading: {events:,} events"),
            )
            ordered = stack.enter_context(ordering)
        if not ordered.total:
            raise LogError(no_events(str(file), ordered.left_out))
        if not ordered.in_file_order:
            print_plain(console, "the file is not in order of time: its events are sorted, equal times as in the file")
        cleaner = Cleaner(options.clean)
        cleaner.find_outliers(log.events(LeftOut(), options.skip_bad))
        end = min(ordered.total, options.limit or ordered.total)
        if position.sent >= end:
            raise LogError(f"{position.sent:,} events are sent already, of {end:,}: --restart sends them again")
        events = islice(cleaner.clean(ordered.events), position.sent, end)
        try:
            headers, total = canonical_headers(settings.events), end - position.sent
            await send(settings, console, events, total, items, options.rate_per_s, position.advance, headers)
        except BaseException:
            if position.sent:
                position.save()
                advice = position.fault or "--resume goes on with the next"
                print_plain(console, f"stopped after {position.sent:,} events: {advice}")
            raise
        position.remove()
        if options.clean:
            print_plain(console, cleaner.describe())
        elif end < ordered.total:
            print_plain(console, f"--limit left out the {ordered.total - end:,} later events")
        print_left_out(console, ordered.left_out)


def print_plain(console: Console, text: str) -> None:
    """One line without markup."""
    console.print(text, style="dim", markup=False, soft_wrap=True)


def print_left_out(console: Console, left_out: LeftOut, what: str = "lines") -> None:
    """How many lines, or records, were left out, and the reasons."""
    if left_out.total:
        console.print(f"{left_out.total:,} {what} were left out:", style="yellow")
        for line in left_out.lines():
            console.print(f"  {line}", markup=False, soft_wrap=True)


def _position(settings: Settings, console: Console, file: Path, options: ReplayOptions) -> ReplayPosition:
    """Where to begin."""
    fingerprint = {
        "--columns": options.columns or "",
        "format": str(options.format),
        "--skip-bad": str(options.skip_bad),
        "--clean": str(options.clean),
        "[events]": str(settings.events),
        "topics.user_events": settings.topics.user_events,
    }
    position = ReplayPosition.of(file, options.state_folder, fingerprint)
    if options.resume:
        position.load()
        print_plain(console, f"going on after {position.sent:,} events")
    elif position.unfinished() and not options.restart:
        advice = "--resume goes on with it, --restart begins at the first event"
        raise LogError(f"{position.file} is of an interrupted replay: {advice}")
    return position


async def send(
    settings: Settings,
    console: Console,
    events: Iterable[LoggedEvent],
    total: int,
    items: Sequence[FileItem],
    rate_per_s: float | None = None,
    on_acknowledged: Callable[[int], None] = lambda events: None,
    headers: Sequence[tuple[str, bytes]] = (),
    before: Callable[[Sequence[LoggedEvent]], Awaitable[None]] | None = None,
) -> None:
    """Items first, then the events, `total` at most, in their order per user; acknowledged by all in-sync replicas.

    `on_acknowledged` gets the number of further events that are; `headers` are those of each event; `before` is
    awaited with events that are to be sent next.
    """
    topics = settings.topics
    pairs = [(item.item_id.encode(), item.encode()) for item in items]
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
    remaining = iter(events)
    with progress:
        if pairs:
            task = progress.add_task(topics.item_catalog, total=len(pairs))
            async with Publisher(settings.kafka, topics.item_catalog) as publisher:
                async for start, end in paced_ranges(len(pairs), None):
                    await publisher.send(pairs[start:end])
                    progress.update(task, completed=end)
        task, sent = progress.add_task(topics.user_events, total=total), 0
        async with Publisher(settings.kafka, topics.user_events) as publisher:
            async for start, end in paced_ranges(total, rate_per_s):
                part = list(islice(remaining, end - start))
                if before is not None:
                    await before(part)
                records = [(event.user_id.encode(), event.encode()) for event in part]
                sending = asyncio.ensure_future(publisher.send(records, headers))
                try:
                    await asyncio.shield(sending)
                except asyncio.CancelledError:  # Ctrl-C: what is under way arrives and is counted, so it is sent once
                    await sending
                    raise
                finally:
                    if sending.done() and not sending.cancelled() and sending.exception() is None:
                        on_acknowledged(len(records))
                sent += len(records)
                progress.update(task, completed=sent)
                if len(records) < end - start:
                    progress.update(task, total=sent)  # --clean dropped the others
                    break
