"""The demo's live screen, 100 characters by 27 lines: the stream, the score, and one user's interests as they move."""

import time
from collections import deque
from collections.abc import Callable, Mapping

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from streams.demo.scoreboard import RECENT, Scoreboard
from streams.schema.predictions import Prediction
from streams.schema.quality import WorkerQuality, format_mean, format_quality
from streams.terminal.predictions import bar, percent
from streams.terminal.sparklines import sparkline, thinned

WIDTH = 100
ROWS = 12  # interests, and items, on the screen
SAMPLE_S = 0.25
HISTORY = 26  # samples in a line of sparks
SCORE_HISTORY = 16  # the same beside a score
LEAST_TOP = 0.2  # of the scale of shares: smaller ones never fill a bar


class Dashboard:
    """What the demo shows at this moment; rich draws it."""

    def __init__(self, board: Scoreboard, watched: str, titles: Mapping[str, str], truth: Callable[[int], str] | None):
        self.phase = "starting"
        self._board = board
        self._watched = watched
        self._titles = titles
        self._truth = truth
        self._begin_s = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(self._begin_s, 0)], maxlen=9)  # time, events predicted
        self._rates: deque[float] = deque(maxlen=HISTORY)
        self._lags: deque[float] = deque(maxlen=HISTORY)
        self._recalls: list[float] = []  # of the whole run
        self._qualities: list[WorkerQuality] = []
        self._interests: dict[str, deque[float]] = {}  # category → its probability, sample by sample

    @property
    def elapsed_s(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._begin_s

    @property
    def events_per_s(self) -> float:
        """Events predicted per second, over the last two seconds."""
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        return (after - before) / (now - then) if now > then else 0.0

    @property
    def lag(self) -> int:
        """Events produced whose prediction is not readable yet."""
        return self._board.sent - self._board.predicted

    @property
    def quality(self) -> WorkerQuality | None:
        """What the worker said last of its predictions, if anything yet."""
        return self._qualities[-1] if self._qualities else None

    def hear(self, quality: WorkerQuality) -> None:
        """The worker says how well it foresees its events."""
        self._qualities.append(quality)

    def sample(self) -> None:
        """Adds one sample to every line; call it every SAMPLE_S."""
        self._samples.append((time.monotonic(), self._board.predicted))
        self._rates.append(self.events_per_s)
        self._lags.append(self.lag)
        if self._board.predicted:
            self._recalls.append(self._board.running_recall()[0])
        newest = self._board.newest.get(self._watched)
        if newest is None:
            return
        now = dict(zip(newest.categories, newest.category_p, strict=True))
        for name in now:
            self._interests.setdefault(name, deque([0.0] * HISTORY, maxlen=HISTORY))
        for name, line in self._interests.items():
            line.append(now.get(name, 0.0))

    def plain_line(self) -> str:
        """The same in one line, for logs."""
        if not self._board.predicted:
            return f"{self.elapsed_s:3.0f} s  {self.phase}"
        p50, p99 = self._board.latency_ms(recent=True)
        ours, popularity = self._board.running_recall()
        return (
            f"{self.elapsed_s:3.0f} s  {self.phase}: {self._board.sent} in, {self._board.predicted} applied, "
            f"{self.events_per_s:.0f}/s, lag {self.lag}, latency p50 {p50:.0f} p99 {p99:.0f} ms, "
            f"recall@10 {ours:.3f} (decayed popularity {popularity:.3f})"
            + ("" if self.quality is None else f"; the worker's own: {format_quality(self.quality)}")
        )

    def __rich__(self) -> RenderableType:
        upper = Table.grid(padding=0)
        upper.add_column(width=WIDTH // 2)
        upper.add_column(width=WIDTH // 2)
        upper.add_row(self._stream(), self._score())
        return Group(self._head(), upper, self._user())

    def _head(self) -> RenderableType:
        total, width = len(self._board.events), 62
        applied = round(self._board.predicted / total * width)
        sent = round(self._board.sent / total * width)
        line = Text.assemble(
            ("━" * applied, "bold green"), ("━" * (sent - applied), "yellow"), ("━" * (width - sent), "grey30"),
            f"  {self._board.predicted:,} of {total:,} events",
        )  # fmt: skip
        title = "[bold]interest-stream[/] · Apache Kafka and a worker on this machine"
        return Panel(line, title=title, subtitle=f"{self.phase} · {self.elapsed_s:.0f} s", box=ROUNDED, width=WIDTH)

    def _stream(self) -> RenderableType:
        p50, p99 = self._board.latency_ms(recent=True)
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

    def _score(self) -> RenderableType:
        ours, popularity = self._board.running_recall()
        told = [quality.recall_at_10 or 0.0 for quality in list(self._qualities)]
        top = max([LEAST_TOP, *self._recalls, *told])
        table = Table.grid(padding=(0, 1))
        table.add_column(width=17)
        for _ in range(2):
            table.add_column(width=5, justify="right")
        table.add_column()

        def row(name: str, own: float | None, theirs: float | None, line: list[float]) -> None:
            cells = Text(sparkline(thinned(line, SCORE_HISTORY), top), "green")
            table.add_row(name, f"[bold green]{format_mean(own)}[/]", f"[dim]{format_mean(theirs)}[/]", cells)

        row("recall@10, reader", ours, popularity, self._recalls)
        if (quality := self.quality) is not None:
            row("recall@10, worker", quality.recall_at_10, quality.popularity.recall_at_10, told)
            row("MRR, worker", quality.mrr, quality.popularity.mrr, [])
            row("log-loss, worker", quality.log_loss, quality.popularity.log_loss, [])
        title = f"score, last {RECENT:,} [dim]beside decayed popularity[/]"
        return Panel(table, title=title, title_align="left", box=ROUNDED, height=6)

    def _user(self) -> RenderableType:
        newest = self._board.newest.get(self._watched)
        title = f"user [bold cyan]{escape(self._watched)}[/]"
        body: RenderableType
        if newest is None:
            body = Text("\n" * (ROWS // 2) + "no prediction yet", "dim", justify="center")
        else:
            title += f" · {newest.state_version} events · model {newest.model_version}"
            just = self._board.event_of(newest)
            body = Table.grid(padding=(0, 2))
            body.add_column(width=60)
            body.add_column(width=32)
            legend = " [dim]●[/] [dim]= really after it[/]" if self._truth else ""
            body.add_row(f"[bold]interests[/] [dim]now, and as they moved[/]{legend}", "[bold]most likely next[/]")
            body.add_row(self._interest_rows(newest), self._item_rows(newest))
            body = Group(
                body,
                "",
                _line("just did   ", f"{just.event_type} {self._title(just.item_id)}"),
                _line("because of ", ", ".join(map(self._title, newest.because))),
            )
        return Panel(body, title=title, title_align="left", box=ROUNDED, height=ROWS + 6, width=WIDTH)

    def _interest_rows(self, newest: Prediction) -> RenderableType:
        now = dict(zip(newest.categories, newest.category_p, strict=True))
        truth = self._truth(self._board.place_of(newest)) if self._truth else None
        lines = list(self._interests.items())  # one step: rich draws in a thread of its own
        strongest = sorted(lines, key=lambda line: -sum(line[1]))[:ROWS]
        top = max([LEAST_TOP, *(max(line) for _, line in strongest), *now.values()])  # the scale that all share
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column(width=12, no_wrap=True)
        table.add_column(width=4, justify="right")
        table.add_column(width=13)
        table.add_column()
        for name, line in sorted(strongest, key=lambda line: line[0]):  # by name: a row stays where it is
            style = "bold magenta" if name == truth else "magenta"
            p = now.get(name, 0.0)
            mark = "●" if name == truth else ""
            table.add_row(
                Text(mark, style),
                Text(name[:12], style),
                percent(p),
                Text(bar(p / top, 13), style),
                Text(sparkline(line, top), style),
            )
        return table

    def _item_rows(self, newest: Prediction) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=4, justify="right")
        table.add_column(width=27, no_wrap=True, overflow="ellipsis")
        for item, p in list(zip(newest.items, newest.item_p, strict=True))[:ROWS]:
            table.add_row(Text(percent(p), "green"), Text(self._title(item)))
        return table

    def _title(self, item_id: str) -> str:
        return self._titles.get(item_id, item_id)


def _line(label: str, text: str) -> Text:
    return Text.assemble((label, "dim"), text, overflow="ellipsis", no_wrap=True)
