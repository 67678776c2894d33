import pytest
from rich.console import Console

from streams.demo.dashboard import ROWS, WIDTH, Dashboard
from streams.demo.scoreboard import Scoreboard
from streams.files.event_logs import LoggedEvent
from streams.schema.predictions import Carriers, Prediction, Source
from streams.schema.quality import Means, WorkerQuality

HEIGHT = 27
QUALITY = WorkerQuality(
    0.781, 0.5, 2.125, worker="w-1", at=0, model_version="m3", events=9, scored=3, window=3, possible=3,
    popularity=Means(0.16, None, 5.5),
)  # fmt: skip


def prediction(place: int, categories: dict[str, float]) -> Prediction:
    return Prediction(
        f"p{place}", "u1", f"e{place}", 0, 0, "m3", place + 1, Source("user-events", 0, place),
        [f"i{n}" for n in range(10)], [0.05] * 10, 0.5, list(categories), list(categories.values()), ["i0"], [1.0],
        0.0, Carriers(1.0, 0.0, 0.0, 0.0),
    )  # fmt: skip


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard([LoggedEvent("u1", f"i{n % 3}", n, "click", f"e{n}") for n in range(4)], "allow")


@pytest.fixture
def dashboard(board: Scoreboard) -> Dashboard:
    return Dashboard(
        board, "u1", {"i0": "The [Silent] Orbit", "i2": "A Title " * 9}, lambda place: "Horror" if place else "Crime"
    )


def screen(dashboard: Dashboard) -> list[str]:
    console = Console(width=120, height=30, force_terminal=False)
    with console.capture() as captured:
        console.print(dashboard)
    return captured.get().splitlines()


def test_the_screen_keeps_its_size_from_first_to_last(board: Scoreboard, dashboard: Dashboard) -> None:
    screens = [screen(dashboard)]
    board.send(4, 0.0)
    for place in range(4):
        dashboard.sample()
        if place > 1:
            dashboard.hear(QUALITY)
        board.receive(prediction(place, {f"Category {n}": 0.01 * n for n in range(20)}), 0.05)
        dashboard.sample()
        screens.append(screen(dashboard))
    assert {len(lines) for lines in screens} == {HEIGHT}
    assert {len(line.rstrip()) for lines in screens for line in lines} == {WIDTH}


def test_the_screen_tells_the_users_interests_items_and_truth(board: Scoreboard, dashboard: Dashboard) -> None:
    board.send(2, 0.0)
    for place in range(2):
        board.receive(prediction(place, {"Horror": 0.6, "Crime": 0.25}), 0.05)
        dashboard.sample()
    text = "\n".join(screen(dashboard))
    assert "user u1 · 2 events · model m3" in text
    assert "● Horror        60%" in text
    assert "  Crime         25%" in text
    assert "5.0% The [Silent] Orbit" in text
    assert "5.0% A Title A Title A Title A " in text
    assert "just did   click i1" in text
    assert "because of The [Silent] Orbit" in text
    assert "2 of 4 events" in text
    assert "50 ms p50, produced → readable" in text


def test_no_more_interests_than_rows_the_strongest_by_name(board: Scoreboard, dashboard: Dashboard) -> None:
    board.send(1, 0.0)
    board.receive(prediction(0, {f"C{n:02}": 0.01 * (n + 1) for n in range(ROWS + 3)}), 0.05)
    dashboard.sample()
    shown = [line.split()[1] for line in screen(dashboard) if line.startswith("│   C")]
    assert shown == [f"C{n:02}" for n in range(3, ROWS + 3)]


def test_a_plain_line_has_the_numbers_once_there_are_any(board: Scoreboard, dashboard: Dashboard) -> None:
    dashboard.phase = "sending"
    assert dashboard.plain_line().endswith("s  sending")
    board.send(3, 0.0)
    board.receive(prediction(0, {}), 0.05)
    assert "sending: 3 in, 1 applied" in dashboard.plain_line()
    assert "lag 2, latency p50 50 p99 50 ms, recall@10 0.000 (decayed popularity 0.000)" in dashboard.plain_line()


def test_the_worker_s_own_score_stands_beside_that_of_the_reader(board: Scoreboard, dashboard: Dashboard) -> None:
    board.send(3, 0.0)
    board.receive(prediction(0, {}), 0.05)
    assert "worker" not in dashboard.plain_line()
    assert "recall@10, worker" not in "\n".join(screen(dashboard))
    dashboard.hear(QUALITY)
    assert "the worker's own: recall@10 0.781 (0.160 decayed popularity), MRR 0.500 (-)" in dashboard.plain_line()
    rows = [" ".join(line.split()) for line in screen(dashboard)]
    assert any("recall@10, worker 0.781 0.160 █" in row for row in rows)
    assert any("MRR, worker 0.500 - " in row for row in rows)
    assert any("log-loss, worker 2.125 5.500" in row for row in rows)
