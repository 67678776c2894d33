"""The demo: a local Kafka, a worker, a stream of events, its predictions, and a check against the input."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live

from streams.demo.dashboard import SAMPLE_S, Dashboard
from streams.demo.feed import DemoOptions, Feed, prepare
from streams.demo.scoreboard import Scoreboard
from streams.demo.summary import Summary, summarize
from streams.errors import StreamError
from streams.kafka.pacing import paced_ranges
from streams.kafka.publisher import Publisher
from streams.kafka.reader import TopicReader, read_topic, reading
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.reference_fold import fold_changelog, fold_input
from streams.schema.quality import WorkerQuality, decode_quality
from streams.settings.settings import Settings, load_settings
from streams.settings.source import CommandLine
from streams.terminal.predictions import read_prediction
from streams.worker.launcher import WorkerProcess

STALL_S = 60.0  # without anything from the worker, though events wait
PLAIN_LINE_S = 5.0


def run_demo(line: CommandLine, options: DemoOptions, console: Console, json_file: Path | None) -> int:
    """The exit code: 0, or 1 where the outcome is not what the input demands. Nothing is left running."""
    with console.status("preparing the stream"):
        feed = prepare(options)
        board = Scoreboard(feed.events, feed.repeats)
    titles = {item.item_id: item.title for item in feed.items}
    dashboard = Dashboard(board, feed.watched, titles, feed.truth)
    live = Live(dashboard, console=console, refresh_per_second=4) if console.is_terminal else nullcontext()
    with ExitStack() as stack:
        stack.enter_context(_sigterm_like_ctrl_c())
        folder = stack.enter_context(_folder(options.keep, console))
        with live:
            dashboard.phase = "starting Kafka"
            kafka = stack.enter_context(LocalKafka(folder / "kafka" if options.keep else None))
            overrides = [
                *line.overrides,
                f"kafka.bootstrap_servers={kafka.bootstrap_servers}",
                f"worker.data_dir={folder / 'worker'}",
                f"worker.trained_dir={folder / 'trained'}",  # nothing: a demo begins with nothing learnt
                f"model.allow_repeats={feed.repeats}",
                "predictions.per=event",
                "predictions.top_items=10",
                "predictions.top_categories=12",
            ]
            worker = WorkerProcess(overrides, folder / "worker.log", line.config, line.recipe)
            stack.callback(worker.stop)
            run = DemoRun(load_settings(line.config, overrides, line.recipe), feed, worker, board, dashboard)
            summary = asyncio.run(run.run(None if console.is_terminal else console))
    summary.report(console)
    if json_file is not None:
        json_file.write_bytes(summary.to_json())
    return 1 if summary.faults else 0


class DemoRun:
    """One run, once Kafka is up."""

    def __init__(self, settings: Settings, feed: Feed, worker: WorkerProcess, board: Scoreboard, dashboard: Dashboard):
        self._settings = settings
        self._servers = settings.kafka.bootstrap_servers
        self._feed = feed
        self._worker = worker
        self._board = board
        self._dashboard = dashboard
        self._rejected = 0

    async def run(self, plain: Console | None) -> Summary:
        """The summary; progress goes to `plain`, if any, line by line."""
        topics = self._settings.topics
        quality: WorkerQuality | None = None
        sampling = asyncio.create_task(self._sample(plain))
        try:
            self._dashboard.phase = "starting the worker"
            await ensure_topics(self._settings)
            async with Publisher(self._servers, topics.item_catalog) as publisher:
                await publisher.send([(item.item_id.encode(), item.encode()) for item in self._feed.items])
            self._worker.start()
            await self._worker.wait_ready()
            begin_s = time.monotonic()
            await self._stream()
            seconds = time.monotonic() - begin_s
            sampling.cancel()
            self._dashboard.phase = "checking rows against the input"
            if code := await asyncio.to_thread(self._worker.stop):
                raise StreamError(f"the worker ended with code {code} when told to stop.\n{self._worker.log_tail()}")
            async for record in read_topic(self._servers, topics.interest_quality):
                if record.value is not None:  # the last one is written when the worker stops
                    quality = decode_quality(record.value)
            expected = await fold_input(self._servers, topics.user_events)
            actual = await fold_changelog(self._servers, self._settings.changelog_topic)
            self._dashboard.phase = "done"
        finally:
            sampling.cancel()
        return summarize(self._board, self._rejected, seconds, expected, actual, quality)

    async def _stream(self) -> None:
        topics = self._settings.topics
        wanted = [topics.interest_predictions, topics.user_events_dlq, topics.interest_quality]
        async with reading(self._servers, wanted) as consumer:
            sending = asyncio.create_task(self._send())
            try:
                await self._receive(consumer, sending)
            finally:
                sending.cancel()

    async def _send(self) -> None:
        self._dashboard.phase = "sending events"
        async with Publisher(self._servers, self._settings.topics.user_events) as publisher:
            async for start, end in paced_ranges(len(self._feed.events), self._feed.rate_per_s):
                records = [(event.user_id.encode(), event.encode()) for event in self._feed.events[start:end]]
                self._board.send(end, time.monotonic())
                await publisher.send(records)
        self._dashboard.phase = "waiting for the last predictions"

    async def _receive(self, consumer: TopicReader, sending: asyncio.Task[None]) -> None:
        """Returns once every event has its prediction or lies among the dead letters."""
        heard_s = time.monotonic()
        while True:
            if sending.done():
                sending.result()
                if self._board.predicted + self._rejected >= self._board.sent:
                    return
            batches = await consumer.getmany(timeout_ms=100)
            now_s = time.monotonic()
            for place, records in batches.items():
                if place.topic == self._settings.topics.user_events_dlq:
                    self._rejected += len(records)
                elif place.topic == self._settings.topics.interest_quality:
                    for value in (record.value for record in records if record.value is not None):
                        self._dashboard.hear(decode_quality(value))
                else:
                    for value in (record.value for record in records if record.value is not None):
                        self._board.receive(read_prediction(value), now_s)
            if batches or self._dashboard.lag <= self._rejected:
                heard_s = now_s
            elif now_s - heard_s > STALL_S:
                waiting = self._dashboard.lag - self._rejected
                raise StreamError(
                    f"no prediction for {STALL_S:.0f} s though {waiting} events wait.\n{self._worker.log_tail()}"
                )
            self._worker.check()

    async def _sample(self, plain: Console | None) -> None:
        due_s = 0.0
        while True:
            self._dashboard.sample()
            if plain is not None and self._dashboard.elapsed_s >= due_s:
                plain.print(self._dashboard.plain_line(), soft_wrap=True)
                due_s += PLAIN_LINE_S
            await asyncio.sleep(SAMPLE_S)


@contextmanager
def _folder(keep: bool, console: Console) -> Iterator[Path]:
    """A new folder, gone at the end unless it is to be kept."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="interest-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    folder = Path(tempfile.mkdtemp(prefix="interest-demo-"))
    try:
        yield folder
    finally:
        console.print(f"kept: {folder} (Kafka's data, the worker's data and log)", soft_wrap=True)


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does: everything is stopped in order."""
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # A shell's background job ignores SIGINT, and would ignore both.
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, interrupt)
        signal.signal(signal.SIGTERM, before)
