"""How well the workers foresee their events, as they say it themselves: a table that is redrawn, or line by line."""

import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from streams.kafka.reader import reading
from streams.schema.quality import INTERVAL_S, Means, WorkerQuality, decode_quality, format_mean, format_quality
from streams.settings.settings import Settings
from streams.terminal.sparklines import sparkline, thinned

SILENT_S = 5 * INTERVAL_S
"""A worker that has said nothing for so long has no events"""

HISTORY = 30  # characters of recall over time, at most
LEAST_TOP = 0.2  # of the scale of recall: a smaller one never fills a bar


class WorkerStats:
    """One worker's records so far, at least one."""

    def __init__(self, first: WorkerQuality, now_s: float) -> None:
        self.newest = first
        self.events_per_s: float | None = None
        self.recalls = [first.recall_at_10 or 0.0]
        self._heard_s = now_s

    def add(self, quality: WorkerQuality, now_s: float) -> None:
        """The worker's next record arrived."""
        passed_ms = quality.at - self.newest.at
        if passed_ms > 0:
            self.events_per_s = 1000 * (quality.events - self.newest.events) / passed_ms
        self.newest, self._heard_s = quality, now_s
        self.recalls.append(quality.recall_at_10 or 0.0)

    def silent(self, now_s: float) -> bool:
        """It has had no events for a while."""
        return now_s - self._heard_s > SILENT_S


class Sparkline:
    """Values over time, in as many characters as there is room for."""

    def __init__(self, values: Sequence[float], top: float) -> None:
        self._values = values
        self._top = top

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(sparkline(thinned(self._values, options.max_width), self._top), "green")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, HISTORY)


class StatsTable:
    """All workers that have been heard of; rich draws it."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerStats] = {}

    def add(self, quality: WorkerQuality, now_s: float) -> str:
        """Takes a record in; the line that says the same."""
        stats = self._workers.get(quality.worker)
        if stats is None:
            stats = self._workers[quality.worker] = WorkerStats(quality, now_s)
        else:
            stats.add(quality, now_s)
        moment = datetime.fromtimestamp(quality.at / 1000, UTC)
        rate = "" if stats.events_per_s is None else f", {stats.events_per_s:.0f}/s"
        return f"{moment:%H:%M:%S} {short(quality.worker)}: {quality.events} events{rate}, {format_quality(quality)}"

    def __rich__(self) -> RenderableType:
        if not self._workers:
            return Text(f"No record yet: a worker writes one every {INTERVAL_S:.0f} s while events come in.", "dim")
        now_s, workers = time.monotonic(), list(self._workers.values())  # one step: rich draws in a thread of its own
        table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold", caption_justify="left")
        table.add_column("worker", no_wrap=True)
        for heading in ("events/s", "events", "recall@10", "MRR", "log-loss"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column(Text("recall@10 over time", no_wrap=True, overflow="ellipsis"))
        top = max([LEAST_TOP, *(recall for stats in workers for recall in stats.recalls)])
        for stats in workers:
            newest, silent = stats.newest, stats.silent(now_s)
            rate = 0.0 if silent else stats.events_per_s
            table.add_row(
                Text(short(newest.worker), "dim" if silent else "bold cyan"),
                "" if rate is None else f"{rate:,.0f}",
                f"{newest.events:,}",
                *_cells(newest, newest.popularity),
                Sparkline(stats.recalls, top),
            )
        if len(workers) > 1:
            rates = [stats.events_per_s or 0.0 for stats in workers if not stats.silent(now_s)]
            newest_ones = [stats.newest for stats in workers]
            ours, popularity = overall(newest_ones)
            events = sum(newest.events for newest in newest_ones)
            head = f"all {len(workers)}", f"{sum(rates):,.0f}", f"{events:,}"
            table.add_row(*head, *_cells(ours, popularity), style="bold")
        window = sum(stats.newest.window for stats in workers)
        table.caption = f"over the last {window:,} scored events; beside each, dim, decayed popularity's"
        return table


def overall(qualities: Iterable[WorkerQuality]) -> tuple[Means, Means]:
    """Means over the windows of all workers together, and decayed popularity's."""
    found = list(qualities)

    def mean(pairs: list[tuple[float | None, int]]) -> float | None:
        known = [(value, weight) for value, weight in pairs if value is not None]
        total = sum(weight for _, weight in known)
        return sum(value * weight for value, weight in known) / total if total else None

    def means(each: list[tuple[Means, WorkerQuality]]) -> Means:
        return Means(
            mean([(of.recall_at_10, quality.window) for of, quality in each]),
            mean([(of.mrr, quality.window) for of, quality in each]),
            mean([(of.log_loss, quality.possible) for of, quality in each]),
        )

    return means([(each, each) for each in found]), means([(each.popularity, each) for each in found])


def short(worker: str) -> str:
    """Enough of the worker's name to tell it from others."""
    return worker.rsplit("-", 4)[0]


async def tail_stats(
    settings: Settings, console: Console, *, limit: int | None = None, from_start: bool = False, as_json: bool = False
) -> None:
    """Shows the workers' records until `limit` of them have come, for ever when None."""
    table, count = StatsTable(), 0
    redrawn = console.is_terminal and not as_json
    with Live(table, console=console, refresh_per_second=4) if redrawn else nullcontext():
        async with reading(
            settings.kafka.bootstrap_servers, [settings.topics.interest_quality], from_start=from_start
        ) as consumer:
            while limit is None or count < limit:
                batches = await consumer.getmany(timeout_ms=200, max_records=None if limit is None else limit - count)
                for record in (record for records in batches.values() for record in records):
                    if record.value is None:
                        continue
                    count += 1
                    line = table.add(decode_quality(record.value), time.monotonic())
                    if as_json:
                        line = record.value.decode()
                    if not redrawn:
                        sys.stdout.write(line + "\n")
                        sys.stdout.flush()


def _cells(ours: Means, popularity: Means) -> list[Text]:
    pairs = (
        (ours.recall_at_10, popularity.recall_at_10),
        (ours.mrr, popularity.mrr),
        (ours.log_loss, popularity.log_loss),
    )
    return [
        Text.assemble((format_mean(own), "bold green"), (f" {format_mean(theirs)}", "dim")) for own, theirs in pairs
    ]
