"""Prequential quality of the workers, from `interest-quality`: a live table, or one line per record."""

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from streams.kafka.reader import TopicReader, read_to_end, reading
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.quality import INTERVAL_S, Means, WorkerQuality, decode_quality, format_mean, format_quality
from streams.settings.settings import Settings
from streams.terminal.sparklines import downsample, sparkline
from streams.terminal.text import format_time, printable, printable_json

INACTIVE_AFTER_S = 5 * INTERVAL_S
"""Without a record for so long, a worker has no events"""

SPARKLINE_WIDTH = 30  # characters of recall over time, at most
_LAST_OFFSETS = 20  # of a partition, among which the newest record is looked for: half are markers of transactions
MIN_SCALE = 0.2  # recall of a full bar, at least


class WorkerStats:
    """One worker's latest record, its event rate, and its recall@10 over time."""

    def __init__(self, first: WorkerQuality, now_s: float) -> None:
        self.latest = first
        self.events_per_s: float | None = None
        self.recalls = [first.recall_at_10 or 0.0]
        self._last_record_s = now_s

    def add(self, quality: WorkerQuality, now_s: float) -> None:
        """Add the worker's next record, received at `now_s`."""
        elapsed_ms = quality.emitted_at - self.latest.emitted_at
        if elapsed_ms > 0:
            self.events_per_s = 1000 * (quality.events - self.latest.events) / elapsed_ms
        self.latest, self._last_record_s = quality, now_s
        self.recalls.append(quality.recall_at_10 or 0.0)

    def inactive(self, now_s: float) -> bool:
        """Whether the worker has written no record for INACTIVE_AFTER_S."""
        return now_s - self._last_record_s > INACTIVE_AFTER_S


class Sparkline:
    """Sparkline as wide as the table column allows (rich renderable)."""

    def __init__(self, values: Sequence[float], maximum: float) -> None:
        self._values = values
        self._maximum = maximum

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(sparkline(downsample(self._values, options.max_width), self._maximum), "green")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, SPARKLINE_WIDTH)


class StatsTable:
    """Quality table with one row per worker (rich renderable)."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerStats] = {}

    def add(self, quality: WorkerQuality, now_s: float) -> str:
        """Add a record; return it as one line of text."""
        stats = self._workers.get(quality.worker)
        if stats is None:
            stats = self._workers[quality.worker] = WorkerStats(quality, now_s)
        else:
            stats.add(quality, now_s)
        rate = "" if stats.events_per_s is None else f", {stats.events_per_s:.0f}/s"
        worker = f"{format_time(quality.emitted_at, '%H:%M:%S')} {printable(short_name(quality.worker))}"
        return f"{worker}: {quality.events} events{rate}, {format_quality(quality)}"

    def __rich__(self) -> RenderableType:
        if not self._workers:
            return Text(f"No record yet: a worker writes one every {INTERVAL_S:.0f} s while events come in.", "dim")
        now_s, workers = time.monotonic(), list(self._workers.values())  # copied at once: rich draws in another thread
        table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold", caption_justify="left")
        table.add_column("worker", no_wrap=True)
        for heading in ("events/s", "events", "recall@10", "MRR", "log-loss"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column(Text("recall@10 over time", no_wrap=True, overflow="ellipsis"))
        maximum = max([MIN_SCALE, *(recall for stats in workers for recall in stats.recalls)])
        for stats in workers:
            latest, inactive = stats.latest, stats.inactive(now_s)
            rate = 0.0 if inactive else stats.events_per_s
            table.add_row(
                Text(printable(short_name(latest.worker)), "dim" if inactive else "bold cyan"),
                "" if rate is None else f"{rate:,.0f}",
                f"{latest.events:,}",
                *_cells(latest, latest.popularity),
                Sparkline(stats.recalls, maximum),
            )
        if len(workers) > 1:
            rates = [stats.events_per_s or 0.0 for stats in workers if not stats.inactive(now_s)]
            records = [stats.latest for stats in workers]
            events = sum(record.events for record in records)
            head = f"all {len(workers)}", f"{sum(rates):,.0f}", f"{events:,}"
            table.add_row(*head, *_cells(*pooled_means(records)), style="bold")
        window = sum(stats.latest.window for stats in workers)
        table.caption = f"over the last {window:,} scored events; dim: decayed popularity on the same events"
        return table


def pooled_means(records: Sequence[WorkerQuality]) -> tuple[Means, Means]:
    """Means over the windows of all workers together: of the workers, and of decayed popularity."""

    def mean(pairs: list[tuple[float | None, int]]) -> float | None:
        weighted = [(value, weight) for value, weight in pairs if value is not None]
        total = sum(weight for _, weight in weighted)
        return sum(value * weight for value, weight in weighted) / total if total else None

    def means(pairs: list[tuple[Means, WorkerQuality]]) -> Means:
        return Means(
            mean([(values.recall_at_10, record.window) for values, record in pairs]),
            mean([(values.mrr, record.window) for values, record in pairs]),
            mean([(values.log_loss, record.possible) for values, record in pairs]),
        )

    return means([(record, record) for record in records]), means([(record.popularity, record) for record in records])


def short_name(worker: str) -> str:
    """The worker's transactional id without the tail of its UUID."""
    return worker.rsplit("-", 4)[0]


async def tail_stats(
    settings: Settings, console: Console, *, limit: int | None = None, from_start: bool = False, as_json: bool = False
) -> None:
    """Show quality records, `limit` of them (None: without end); `as_json` prints them unchanged.

    Begins with the oldest kept, or with the newest.
    """
    table, count = StatsTable(), 0
    live = console.is_terminal and not as_json
    with Live(table, console=console, refresh_per_second=4) if live else nullcontext():
        async with reading(settings.kafka, [settings.topics.interest_quality], from_start=from_start) as consumer:
            if not from_start:
                await _seek_newest(consumer)
            while limit is None or count < limit:
                batches = await consumer.getmany(timeout_ms=200, max_records=None if limit is None else limit - count)
                for record in (record for records in batches.values() for record in records):
                    if isinstance(record, UndecodableRecord) or record.value is None:
                        continue
                    count += 1
                    line = table.add(decode_quality(record.value), time.monotonic())
                    if as_json:
                        line = printable_json(record.value.decode())
                    if not live:
                        sys.stdout.write(line + "\n")
                        sys.stdout.flush()


async def _seek_newest(consumer: TopicReader) -> None:
    """Moves the consumer before the newest record; it stays at the end of a topic whose last offsets hold none."""
    tps = consumer.assignment()
    begins, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    for tp in tps:
        consumer.seek(tp, max(begins[tp], ends[tp] - _LAST_OFFSETS))
    newest = None
    async for record in read_to_end(consumer, ends):
        if isinstance(record, UndecodableRecord) or record.value is None:
            continue
        if newest is None or record.timestamp >= newest.timestamp:
            newest = record
    for tp in tps:
        consumer.seek(tp, ends[tp])
        if newest is not None and (newest.topic, newest.partition) == tp:
            consumer.seek(tp, newest.offset)


def _cells(worker: Means, popularity: Means) -> list[Text]:
    pairs = (
        (worker.recall_at_10, popularity.recall_at_10),
        (worker.mrr, popularity.mrr),
        (worker.log_loss, popularity.log_loss),
    )
    return [
        Text.assemble((format_mean(mean), "bold green"), (f" {format_mean(baseline)}", "dim"))
        for mean, baseline in pairs
    ]
