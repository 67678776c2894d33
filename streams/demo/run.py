"""Run the demo: start a local Kafka and a worker, send events, read predictions, check the result against the input."""

import asyncio
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from urllib.parse import quote

from rich.console import Console
from rich.live import Live

from streams.demo.dashboard import SAMPLE_INTERVAL_S, Dashboard
from streams.demo.decision_run import DecisionRun
from streams.demo.decisions import EXPERIMENT, DecisionTraffic, decision_settings
from streams.demo.input import DemoInput, DemoOptions, load_input
from streams.demo.live_page import LivePage
from streams.demo.metrics import DemoMetrics
from streams.demo.summary import DemoSummary, summarize
from streams.errors import StreamError
from streams.kafka.pacing import paced_ranges
from streams.kafka.publisher import Publisher
from streams.kafka.reader import TopicReader, read_topic, reading
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.reference_fold import fold_changelog, fold_input
from streams.registry.connection import connect_registry
from streams.registry.prediction_reader import PredictionReader
from streams.schema.decoder import SchemaRules
from streams.schema.event_encoder import canonical_headers
from streams.schema.quality import WorkerQuality, decode_quality
from streams.settings.settings import Settings, load_settings
from streams.settings.source import CommandLine
from streams.worker.process.launcher import WorkerProcess

STALL_TIMEOUT_S = 60.0  # without a record from the worker, though events are waiting
LOG_INTERVAL_S = 5.0


def run_demo(line: CommandLine, options: DemoOptions, console: Console, json_file: Path | None) -> int:
    """Run the demo and stop everything again; exit code 0, or 1 if the result differs from the input."""
    with console.status("preparing the stream"):
        demo_input = load_input(options, SchemaRules.of(line.settings().events))
        metrics = DemoMetrics(demo_input.events, demo_input.allow_repeats)
    if demo_input.log_format:
        console.print(demo_input.log_format, style="dim", markup=False, soft_wrap=True)
    titles = {item.item_id: item.title for item in demo_input.items}
    dashboard = Dashboard(metrics, demo_input.shown_user, titles, demo_input.true_topic)
    live = Live(dashboard, console=console, refresh_per_second=4) if console.is_terminal else nullcontext()
    with ExitStack() as stack:
        stack.enter_context(_sigterm_as_sigint())
        folder = stack.enter_context(_demo_folder(options.keep, console))
        with live:
            dashboard.phase = "starting Kafka"
            kafka = stack.enter_context(LocalKafka(folder / "kafka" if options.keep else None))
            overrides = [*line.overrides, *demo_settings(kafka.bootstrap_servers, folder, demo_input.allow_repeats)]
            if options.decisions:
                overrides += decision_settings(folder / "policy")
            worker = WorkerProcess(overrides, folder / "worker.log", line.config, line.recipe)
            stack.callback(worker.stop)
            page = LivePage(line, overrides, folder, demo_input)
            stack.callback(page.stop)
            settings = load_settings(line.config, overrides, line.recipe)
            decisions: DecisionRun | None = None
            if options.decisions:
                policy = WorkerProcess(overrides, folder / "policy.log", line.config, line.recipe, "policy")
                stack.callback(policy.stop)
                traffic = DecisionTraffic(demo_input.events, [item.item_id for item in demo_input.items], options.seed)
                decisions = DecisionRun(settings, policy, traffic)
            run = DemoRun(settings, demo_input, worker, page, metrics, dashboard, decisions)
            summary = asyncio.run(run.run(console))
    summary.report(console)
    if json_file is not None:
        json_file.write_bytes(summary.to_json())
    return 1 if summary.faults else 0


def demo_settings(servers: str, folder: Path, allow_repeats: bool) -> list[str]:
    """The settings ("section.key=value") that the demo needs, whatever the user's are."""
    return [
        f"kafka.bootstrap_servers={servers}",
        f"worker.data_dir={folder / 'worker'}",
        f"web.data_dir={folder / 'web'}",
        "web.history_points=200",  # a user of the demo has some hundred events
        f"trainer.trained_dir={folder / 'trained'}",  # empty: a demo starts with an untrained model
        f"model.allow_repeats={str(allow_repeats).lower()}",
        "predictions.per=event",
        "predictions.top_items=10",
        "predictions.top_categories=12",
    ]


class DemoRun:
    """One run against a Kafka that has started."""

    def __init__(
        self,
        settings: Settings,
        demo_input: DemoInput,
        worker: WorkerProcess,
        page: LivePage,
        metrics: DemoMetrics,
        dashboard: Dashboard,
        decisions: DecisionRun | None = None,
    ):
        self._settings = settings
        self._kafka = settings.kafka
        self._input = demo_input
        self._worker = worker
        self._page = page
        self._metrics = metrics
        self._dashboard = dashboard
        self._decisions = decisions
        self._reader = PredictionReader(settings.registry)
        self._rejected = 0

    async def run(self, console: Console) -> DemoSummary:
        """Run to the end; the page's address is printed first, and progress line by line where that is no terminal."""
        topics = self._settings.topics
        quality: WorkerQuality | None = None
        self._dashboard.phase = "starting the live page"
        await ensure_topics(self._settings)
        address = await self._page.start()
        user = quote(self._input.shown_user, safe="")
        console.print(f"live page: {address}/  this user: {address}/#/users/{user}", soft_wrap=True, markup=False)
        if self._decisions is not None:
            console.print(f"experiment: {address}/#/experiments/{EXPERIMENT}", soft_wrap=True, markup=False)
        sampling = asyncio.create_task(self._sample(None if console.is_terminal else console))
        try:
            self._dashboard.phase = "starting the worker"
            async with Publisher(self._kafka, topics.item_catalog) as publisher:
                await publisher.send([(item.item_id.encode(), item.encode()) for item in self._input.items])
            self._worker.start()
            await self._worker.wait_ready()
            if self._decisions is not None:
                self._dashboard.phase = "starting the policies"
                await self._decisions.start()
            begin_s = time.monotonic()
            async with self._decisions or nullcontext():
                await self._stream()
                seconds = time.monotonic() - begin_s
                experiment = None
                if self._decisions is not None:
                    self._dashboard.phase = "waiting for the last rewards"
                    experiment = await self._decisions.result()
            sampling.cancel()
            self._dashboard.phase = "checking rows against the input"
            if code := await asyncio.to_thread(self._worker.stop):
                raise StreamError(f"the worker ended with code {code} after SIGTERM.\n{self._worker.log_tail()}")
            async for record in read_topic(self._kafka, topics.interest_quality):
                if record.value is not None:  # the last one is written when the worker stops
                    quality = decode_quality(record.value)
            rules = SchemaRules.of(self._settings.events, await connect_registry(self._settings.registry))
            expected = await fold_input(self._kafka, topics.user_events, rules=rules)
            actual = await fold_changelog(self._kafka, self._settings.changelog_topic)
            await asyncio.to_thread(self._page.finish)
            self._dashboard.phase = "done"
        finally:
            sampling.cancel()
        summary = summarize(self._metrics, self._rejected, seconds, expected, actual, quality)
        if self._decisions is None or experiment is None:
            return summary
        return summary.with_experiment(experiment, self._decisions.requested)

    async def _stream(self) -> None:
        topics = self._settings.topics
        outputs = [topics.interest_predictions, topics.user_events_dlq, topics.interest_quality]
        async with reading(self._kafka, outputs) as consumer:
            sending = asyncio.create_task(self._send())
            try:
                await self._receive(consumer, sending)
            finally:
                sending.cancel()

    async def _send(self) -> None:
        self._dashboard.phase = "sending events"
        headers = canonical_headers(self._settings.events)
        async with Publisher(self._kafka, self._settings.topics.user_events) as publisher:
            async for start, end in paced_ranges(len(self._input.events), self._input.rate_per_s):
                events = self._input.events[start:end]
                if self._decisions is not None:
                    events = self._decisions.traffic.named(start, end)
                records = [(event.user_id.encode(), event.encode()) for event in events]
                self._metrics.record_sent(end, time.monotonic())
                await publisher.send(records, headers)
                if self._decisions is not None:
                    await self._decisions.ask(start, end)
        self._dashboard.phase = "waiting for the last predictions"

    async def _receive(self, consumer: TopicReader, sending: asyncio.Task[None]) -> None:
        """Read until every event has its prediction or its dead letter."""
        last_record_s = time.monotonic()
        while True:
            if sending.done():
                sending.result()
                if self._metrics.predicted + self._rejected >= self._metrics.sent:
                    return
            batches = await consumer.getmany(timeout_ms=100)
            now_s = time.monotonic()
            for topic_partition, records in batches.items():
                if topic_partition.topic == self._settings.topics.user_events_dlq:
                    self._rejected += len(records)
                elif topic_partition.topic == self._settings.topics.interest_quality:
                    for value in (record.value for record in records if record.value is not None):
                        self._dashboard.add_quality(decode_quality(value))
                else:
                    for value in (record.value for record in records if record.value is not None):
                        self._metrics.record_prediction(await self._reader.read(value), now_s)
            if batches or self._dashboard.lag <= self._rejected:
                last_record_s = now_s
            elif now_s - last_record_s > STALL_TIMEOUT_S:
                raise StreamError(
                    f"no prediction for {STALL_TIMEOUT_S:.0f} s, though {self._dashboard.lag - self._rejected} events "
                    f"are waiting.\n{self._worker.log_tail()}"
                )
            self._worker.check()
            self._page.check()
            if self._decisions is not None:
                self._decisions.check()

    async def _sample(self, line_console: Console | None) -> None:
        next_line_s = 0.0
        while True:
            self._dashboard.sample()
            if line_console is not None and self._dashboard.elapsed_s >= next_line_s:
                line_console.print(self._dashboard.plain_line(), soft_wrap=True, markup=False)
                next_line_s += LOG_INTERVAL_S
            await asyncio.sleep(SAMPLE_INTERVAL_S)


@contextmanager
def _demo_folder(keep: bool, console: Console) -> Iterator[Path]:
    """A new temporary folder; removed at the end unless `keep`."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="interest-demo-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    folder = Path(tempfile.mkdtemp(prefix="interest-demo-"))
    try:
        yield folder
    finally:
        console.print(f"kept: {folder} (Kafka's data, the worker's data and log)", soft_wrap=True, markup=False)


@contextmanager
def _sigterm_as_sigint() -> Iterator[None]:
    """Inside the block SIGTERM raises KeyboardInterrupt, as Ctrl-C does, so that everything is stopped in order."""
    sigterm_handler = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    # Background jobs of a shell start with SIGINT ignored, which would ignore SIGTERM too.
    sigint_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, sigint_handler)
        signal.signal(signal.SIGTERM, sigterm_handler)
