"""Dead letters in a terminal: how many by reason, the newest one by one, and one of them in full."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.errors import Rejected, StreamError
from streams.kafka.reader import read_topic
from streams.registry.connection import connect_registry
from streams.schema.dead_letters.reader import Letter, letters_of
from streams.schema.parsing.wire_format import is_framed
from streams.settings.settings import Settings
from streams.terminal.text import format_time, printable, printable_lines

_SHOWN_BYTES = 20_000
_SHOWN_REASON = 100
_TABLE_WIDTH = 110  # of the narrowest terminal that shows letters as a table
_FILE_WIDTH = 10_000  # of a file or pipe, where no line is cut


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters a command is about."""

    reasons: tuple[str, ...] = ()
    partitions: tuple[int, ...] = ()
    since_ms: int | None = None  # time of the refused record
    until_ms: int | None = None

    def accepts(self, letter: Letter) -> bool:
        """Whether it is one of them."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.partitions or letter.letter_partition in self.partitions)
            and (self.since_ms is None or letter.timestamp >= self.since_ms)
            and (self.until_ms is None or letter.timestamp < self.until_ms)
        )


async def read_letters(settings: Settings, letter_filter: LetterFilter) -> list[Letter]:
    """The letters that the topic keeps now, oldest first."""
    topic = settings.topics.user_events_dlq
    partitions = letter_filter.partitions or None
    records = [r async for r in read_topic(settings.kafka, topic, partitions=partitions)]
    letters = [letter for letter in letters_of(records) if letter_filter.accepts(letter)]
    return sorted(letters, key=lambda letter: (letter.timestamp, letter.letter_partition, letter.letter_offset))


def print_letters(console: Console, letters: Sequence[Letter], limit: int) -> None:
    """Counts by reason, then the newest `limit` letters."""
    if not letters:
        console.print("no dead letters")
        return
    if not console.is_terminal:
        console.width = _FILE_WIDTH
    reasons = Counter(letter.reason for letter in letters)
    counts = Table(box=None, pad_edge=False, header_style="bold")
    counts.add_column("reason")
    counts.add_column("letters", justify="right")
    counts.add_column("replayed", justify="right")
    for reason, count in reasons.most_common():
        replayed = sum(letter.replayed for letter in letters if letter.reason == reason)
        counts.add_row(Text(printable(reason), "bold"), f"{count:,}", f"{replayed:,}" if replayed else "")
    console.print(counts)
    console.print(f"\n[bold]The newest {min(limit, len(letters)):,} of {len(letters):,}[/]")
    if console.is_terminal and console.width < _TABLE_WIDTH:
        for letter in letters[-limit:]:
            console.print(Text(letter.position, "cyan"), soft_wrap=True)
            for cell in _cells(letter)[1:]:
                console.print(Text.assemble("  ", cell), overflow="fold")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("letter", "time", "record", "key", "why"):
        table.add_column(heading, no_wrap=heading != "why", overflow="ellipsis")
    for letter in letters[-limit:]:
        table.add_row(*_cells(letter))
    console.print(table)


def _cells(letter: Letter) -> tuple[Text, ...]:
    """What is listed of the letter: its position, time, record, key and why."""
    mark = " (replayed)" if letter.replayed else ""
    return (
        Text(letter.position, "cyan"),
        Text(format_time(letter.timestamp)),
        Text(printable(f"{letter.topic}:{letter.partition}:{letter.offset}"), "dim"),
        Text(printable(_text(letter.key))[:24]),
        Text(printable(f"{letter.reason}: {letter.message}"[:_SHOWN_REASON]) + mark),
    )


def print_letter(console: Console, letter: Letter) -> None:
    """The letter in full: where it came from, why it was refused, and what it holds."""
    table = Table.grid(padding=(0, 2))
    events = f", event {', '.join(map(str, letter.events))} of the record" if letter.events else ""
    for name, text in {
        "letter": letter.position + (" (replayed)" if letter.replayed else ""),
        "record": f"{letter.topic} partition {letter.partition}, offset {letter.offset}{events}",
        "time": format_time(letter.timestamp),
        "why": f"{letter.reason}: {letter.message}",
        "refused by": letter.app_version,
        "key": _text(letter.key),
        **{f"header {name}": _text(value) for name, value in letter.headers},
        **({"replaced by a hash": ", ".join(letter.replaced)} if letter.replaced else {}),
    }.items():
        table.add_row(Text(printable(name), "dim"), Text(printable(text)))
    console.print(table)
    console.print("[bold]Value[/]")
    console.print(Text(_document(letter.value)))


async def find_letter(settings: Settings, position: str) -> Letter:
    """The letter at "partition:offset" of the dead-letter topic. Raises StreamError if there is none."""
    partition, _, offset = position.partition(":")
    if not (partition.isdecimal() and offset.isdecimal()):
        raise StreamError(f"{position!r} is not PARTITION:OFFSET, as `interest-stream dlq list` prints it")
    for letter in await read_letters(settings, LetterFilter(partitions=(int(partition),))):
        if letter.letter_offset == int(offset):
            return letter
    raise StreamError(f"no dead letter at {position} of {settings.topics.user_events_dlq}: it may have expired")


async def in_json(settings: Settings, letter: Letter) -> Letter:
    """The letter with key and value as JSON where they are in Confluent's wire format and registry.url is set."""
    registry = await connect_registry(settings.registry)
    if registry is None:
        return letter
    await registry.load([letter])

    def text_of(part: bytes | None) -> bytes | None:
        if part is not None and is_framed(part):
            with suppress(Rejected):  # which may be why it is a letter
                return registry.to_json(part)
        return part

    return replace(letter, key=text_of(letter.key), value=text_of(letter.value))


def _text(value: bytes | None) -> str:
    return "-" if value is None else value.decode(errors="backslashreplace")


def _document(value: bytes | None) -> str:
    """The value as indented JSON; else as text, or escapes."""
    if value is None:
        return "null"
    try:
        text = json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = value[:_SHOWN_BYTES].decode(errors="backslashreplace")
    shown = printable_lines(text[:_SHOWN_BYTES])
    return shown + (f"\n… {len(value):,} bytes in all" if len(text) > _SHOWN_BYTES or len(value) > _SHOWN_BYTES else "")
