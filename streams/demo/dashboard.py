"""The demo's live screen, 100 characters by 27 lines: event rates, quality, and one user's interests over time."""

import time
from collections import deque
from collections.abc import Callable, Mapping

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.demo.metrics import RECENT_EVENTS, DemoMetrics
from streams.schema.predictions import Prediction
from streams.schema.quality import WorkerQuality, format_mean, format_quality
from streams.terminal.predictions import bar, percent
from streams.terminal.sparklines import downsample, sparkline
from streams.terminal.text import printable

WIDTH = 100
ROWS = 12  # of interests and of items
SAMPLE_INTERVAL_S = 0.25
SPARKLINE_WIDTH = 26  # samples of a sparkline
RECALL_SPARKLINE_WIDTH = 16
MIN_SCALE = 0.2  # share of a full bar, at least


class Dashboard:
    """The demo's present state on the screen (rich renderable)."""

    def __init__(
        self,
        metrics: DemoMetrics,
        shown_user: str,
        titles: Mapping[str, str],
        true_topic: Callable[[int], str] | None,
    ):
        self.phase = "starting"
        self._metrics = metrics
        self._shown_user = shown_user
        self._titles = titles
        self._true_topic = true_topic
        self._start_s = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(self._start_s, 0)], maxlen=9)  # time, events predicted
        self._rates: deque[float] = deque(maxlen=SPARKLINE_WIDTH)
        self._lags: deque[float] = deque(maxlen=SPARKLINE_WIDTH)
        self._recalls: list[float] = []  # since the start
        self._qualities: list[WorkerQuality] = []
        self._interests: dict[str, deque[float]] = {}  # category → its probability at each sample

    @property
    def elapsed_s(self) -> float:
        """Seconds since the demo's start."""
        return time.monotonic() - self._start_s

    @property
    def events_per_s(self) -> float:
        """Events predicted per second, over the last two seconds."""
        (first_s, first_count), (last_s, last_count) = self._samples[0], self._samples[-1]
        return (last_count - first_count) / (last_s - first_s) if last_s > first_s else 0.0

    @property
    def lag(self) -> int:
        """Events produced whose prediction is not readable yet."""
        return self._metrics.sent - self._metrics.predicted

    @property
    def quality(self) -> WorkerQuality | None:
        """The worker's latest quality record; None before the first."""
        return self._qualities[-1] if self._qualities else None

    def add_quality(self, quality: WorkerQuality) -> None:
        """Add the worker's next quality record."""
        self._qualities.append(quality)

    def sample(self) -> None:
        """Add one sample to every sparkline; call it every SAMPLE_INTERVAL_S."""
        self._samples.append((time.monotonic(), self._metrics.predicted))
        self._rates.append(self.events_per_s)
        self._lags.append(self.lag)
        if self._metrics.predicted:
            self._recalls.append(self._metrics.running_recall()[0])
        prediction = self._metrics.latest.get(self._shown_user)
        if prediction is None:
            return
        category_p = dict(zip(prediction.categories, prediction.category_p, strict=True))
        for category in category_p:
            self._interests.setdefault(category, deque([0.0] * SPARKLINE_WIDTH, maxlen=SPARKLINE_WIDTH))
        for category, series in self._interests.items():
            series.append(category_p.get(category, 0.0))

    def plain_line(self) -> str:
        """The present numbers in one line of text, for output that is no terminal."""
        if not self._metrics.predicted:
            return f"{self.elapsed_s:3.0f} s  {self.phase}"
        p50, p99 = self._metrics.latency_ms(recent=True)
        recall, popularity = self._metrics.running_recall()
        return (
            f"{self.elapsed_s:3.0f} s  {self.phase}: {self._metrics.sent} in, {self._metrics.predicted} applied, "
            f"{self.events_per_s:.0f}/s, lag {self.lag}, latency p50 {p50:.0f} p99 {p99:.0f} ms, "
            f"recall@10 {recall:.3f} (decayed popularity {popularity:.3f})"
            + ("" if self.quality is None else f"; worker: {format_quality(self.quality)}")
        )

    def __rich__(self) -> RenderableType:
        upper = Table.grid(padding=0)
        upper.add_column(width=WIDTH // 2)
        upper.add_column(width=WIDTH // 2)
        upper.add_row(self._rates_panel(), self._quality_panel())
        return Group(self._progress_panel(), upper, self._user_panel())

    def _progress_panel(self) -> RenderableType:
        total, width = len(self._metrics.events), 62
        applied = round(self._metrics.predicted / total * width)
        sent = round(self._metrics.sent / total * width)
        line = Text.assemble(
            ("━" * applied, "bold green"), ("━" * (sent - applied), "yellow"), ("━" * (width - sent), "grey30"),
            f"  {self._metrics.predicted:,} of {total:,} events",
        )  # fmt: skip
        title = "[bold]interest-stream[/] · Apache Kafka and a worker on this machine"
        return Panel(line, title=title, subtitle=f"{self.phase} · {self.elapsed_s:.0f} s", box=ROUNDED, width=WIDTH)

    def _rates_panel(self) -> RenderableType:
        p50, p99 = self._metrics.latency_ms(recent=True)
        table = Table.grid(padding=(0, 1))
        table.add_column(width=9)
        table.add_column(width=7, justify="right")
        table.add_column()
        table.add_row("events/s", f"[bold cyan]{self.events_per_s:,.0f}[/]", Text(sparkline(self._rates), "cyan"))
        table.add_row("lag", f"[bold yellow]{self.lag:,}[/]", Text(sparkline(self._lags), "yellow"))
        known = p50 == p50
        table.add_row(
            "latency", f"[bold]{p50:,.0f}[/]" if known else "", "ms p50, produced → readable" if known else ""
        )
        table.add_row("", f"[bold]{p99:,.0f}[/]" if known else "", "ms p99" if known else "")
        return Panel(table, title="stream", title_align="left", box=ROUNDED, height=6)

    def _quality_panel(self) -> RenderableType:
        recall, popularity = self._metrics.running_recall()
        worker_recalls = [quality.recall_at_10 or 0.0 for quality in list(self._qualities)]
        maximum = max([MIN_SCALE, *self._recalls, *worker_recalls])
        table = Table.grid(padding=(0, 1))
        table.add_column(width=17)
        for _ in range(2):
            table.add_column(width=5, justify="right")
        table.add_column()

        def row(name: str, mean: float | None, baseline: float | None, series: list[float]) -> None:
            history = Text(sparkline(downsample(series, RECALL_SPARKLINE_WIDTH), maximum), "green")
            table.add_row(name, f"[bold green]{format_mean(mean)}[/]", f"[dim]{format_mean(baseline)}[/]", history)

        row("recall@10, reader", recall, popularity, self._recalls)
        if (quality := self.quality) is not None:
            row("recall@10, worker", quality.recall_at_10, quality.popularity.recall_at_10, worker_recalls)
            row("MRR, worker", quality.mrr, quality.popularity.mrr, [])
            row("log-loss, worker", quality.log_loss, quality.popularity.log_loss, [])
        title = f"score, last {RECENT_EVENTS:,} [dim]beside decayed popularity[/]"
        return Panel(table, title=title, title_align="left", box=ROUNDED, height=6)

    def _user_panel(self) -> RenderableType:
        prediction = self._metrics.latest.get(self._shown_user)
        title = f"user [bold cyan]{escape(printable(self._shown_user))}[/]"
        body: RenderableType
        if prediction is None:
            body = Text("\n" * (ROWS // 2) + "no prediction yet", "dim", justify="center")
        else:
            title += f" · {prediction.state_version} events · model {escape(printable(prediction.model_version))}"
            event = self._metrics.event(prediction)
            body = Table.grid(padding=(0, 2))
            body.add_column(width=60)
            body.add_column(width=32)
            legend = " [dim]●[/] [dim]= true interest[/]" if self._true_topic else ""
            body.add_row(f"[bold]interests[/] [dim]now and over time[/]{legend}", "[bold]most likely next[/]")
            body.add_row(self._interest_rows(prediction), self._item_rows(prediction))
            body = Group(
                body,
                "",
                _line("just did   ", f"{printable(event.event_type)} {self._title(event.item_id)}"),
                _line("because of ", ", ".join(map(self._title, prediction.because))),
            )
        return Panel(body, title=title, title_align="left", box=ROUNDED, height=ROWS + 6, width=WIDTH)

    def _interest_rows(self, prediction: Prediction) -> RenderableType:
        category_p = dict(zip(prediction.categories, prediction.category_p, strict=True))
        true_topic = self._true_topic(self._metrics.event_index(prediction)) if self._true_topic else None
        interests = list(self._interests.items())  # copied at once: rich draws in another thread
        strongest = sorted(interests, key=lambda interest: -sum(interest[1]))[:ROWS]
        maximum = max([MIN_SCALE, *(max(series) for _, series in strongest), *category_p.values()])
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=12, no_wrap=True)
        table.add_column(width=4, justify="right")
        table.add_column(width=13)
        table.add_column()
        for name, series in sorted(strongest, key=lambda interest: interest[0]):  # by name, so that rows keep still
            style = "bold magenta" if name == true_topic else "magenta"
            p = category_p.get(name, 0.0)
            mark = "●" if name == true_topic else ""
            table.add_row(
                Text(mark, style),
                Text(printable(name)[:12], style),
                percent(p),
                Text(bar(p / maximum, 13), style),
                Text(sparkline(series, maximum), style),
            )
        return table

    def _item_rows(self, prediction: Prediction) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=4, justify="right")
        table.add_column(width=27, no_wrap=True, overflow="ellipsis")
        for item, p in list(zip(prediction.items, prediction.item_p, strict=True))[:ROWS]:
            table.add_row(Text(percent(p), "green"), Text(self._title(item)))
        return table

    def _title(self, item_id: str) -> str:
        return printable(self._titles.get(item_id, item_id))


def _line(label: str, text: str) -> Text:
    return Text.assemble((label, "dim"), text, overflow="ellipsis", no_wrap=True)
