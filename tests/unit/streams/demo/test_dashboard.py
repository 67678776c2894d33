import pytest
from rich.console import Console

from streams.demo.dashboard import ROWS, WIDTH, Dashboard
from streams.demo.metrics import DemoMetrics
from streams.files.logged_event import LoggedEvent
from streams.schema.predictions import Carriers, Prediction, Source
from streams.schema.quality import Means, WorkerQuality

HEIGHT = 27
QUALITY = WorkerQuality(
    0.781, 0.5, 2.125, worker="w-1", emitted_at=0, model_version="00c0ffee.3", events=9, scored=3, window=3, possible=3,
    popularity=Means(0.16, None, 5.5),
)  # fmt: skip


def prediction(index: int, categories: dict[str, float]) -> Prediction:
    return Prediction(
        f"p{index}", "u1", f"e{index}", 0, 0, "00c0ffee.3", index + 1, Source("user-events", 0, index),
        [f"i{n}" for n in range(10)], [0.05] * 10, 0.5, list(categories), list(categories.values()), ["i0"], [1.0],
        0.0, Carriers(1.0, 0.0, 0.0, 0.0),
    )  # fmt: skip


@pytest.fixture
def metrics() -> DemoMetrics:
    return DemoMetrics([LoggedEvent("u1", f"i{n % 3}", n, "click", f"e{n}") for n in range(4)], allow_repeats=True)


@pytest.fixture
def dashboard(metrics: DemoMetrics) -> Dashboard:
    return Dashboard(
        metrics, "u1", {"i0": "The [Silent] Orbit", "i2": "A Title " * 9}, lambda index: "Horror" if index else "Crime"
    )


def screen(dashboard: Dashboard) -> list[str]:
    console = Console(width=120, height=30, force_terminal=False)
    with console.capture() as captured:
        console.print(dashboard)
    return captured.get().splitlines()


def test_the_screen_keeps_its_size_from_first_to_last(metrics: DemoMetrics, dashboard: Dashboard) -> None:
    screens = [screen(dashboard)]
    metrics.record_sent(4, 0.0)
    for index in range(4):
        dashboard.sample()
        if index > 1:
            dashboard.add_quality(QUALITY)
        metrics.record_prediction(prediction(index, {f"Category {n}": 0.01 * n for n in range(20)}), 0.05)
        dashboard.sample()
        screens.append(screen(dashboard))
    assert {len(lines) for lines in screens} == {HEIGHT}
    assert {len(line.rstrip()) for lines in screens for line in lines} == {WIDTH}


def test_the_screen_shows_the_users_interests_items_and_true_topic(metrics: DemoMetrics, dashboard: Dashboard) -> None:
    metrics.record_sent(2, 0.0)
    for index in range(2):
        metrics.record_prediction(prediction(index, {"Horror": 0.6, "Crime": 0.25}), 0.05)
        dashboard.sample()
    text = "\n".join(screen(dashboard))
    assert "user u1 · 2 events · model 00c0ffee.3" in text
    assert "● Horror        60%" in text
    assert "  Crime         25%" in text
    assert "5.0% The [Silent] Orbit" in text
    assert "5.0% A Title A Title A Title A " in text
    assert "just did   click i1" in text
    assert "because of The [Silent] Orbit" in text
    assert "2 of 4 events" in text
    assert "50 ms p50, produced → readable" in text


def test_no_more_interests_than_rows_the_strongest_by_name(metrics: DemoMetrics, dashboard: Dashboard) -> None:
    metrics.record_sent(1, 0.0)
    metrics.record_prediction(prediction(0, {f"C{n:02}": 0.01 * (n + 1) for n in range(ROWS + 3)}), 0.05)
    dashboard.sample()
    shown = [line.split()[1] for line in screen(dashboard) if line.startswith("│   C")]
    assert shown == [f"C{n:02}" for n in range(3, ROWS + 3)]


def test_a_plain_line_has_the_numbers_once_there_are_any(metrics: DemoMetrics, dashboard: Dashboard) -> None:
    dashboard.phase = "sending"
    assert dashboard.plain_line().endswith("s  sending")
    metrics.record_sent(3, 0.0)
    metrics.record_prediction(prediction(0, {}), 0.05)
    assert "sending: 3 in, 1 applied" in dashboard.plain_line()
    assert "lag 2, latency p50 50 p99 50 ms, recall@10 0.000 (decayed popularity 0.000)" in dashboard.plain_line()


def test_the_screen_shows_the_worker_s_quality_beside_the_reader_s(metrics: DemoMetrics, dashboard: Dashboard) -> None:
    metrics.record_sent(3, 0.0)
    metrics.record_prediction(prediction(0, {}), 0.05)
    assert "worker" not in dashboard.plain_line()
    assert "recall@10, worker" not in "\n".join(screen(dashboard))
    dashboard.add_quality(QUALITY)
    assert "worker: recall@10 0.781 (0.160 decayed popularity), MRR 0.500 (-)" in dashboard.plain_line()
    rows = [" ".join(line.split()) for line in screen(dashboard)]
    assert any("recall@10, worker 0.781 0.160 █" in row for row in rows)
    assert any("MRR, worker 0.500 - " in row for row in rows)
    assert any("log-loss, worker 2.125 5.500" in row for row in rows)
