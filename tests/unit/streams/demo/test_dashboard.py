import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.demo.dashboard import ROWS, SPARKS, WIDTH, Dashboard, sparks, thinned
from streams.demo.scoreboard import Scoreboard
from streams.files.event_logs import LoggedEvent
from streams.predictions import Carriers, Prediction, Source

HEIGHT = 27


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


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_sparks_are_one_character_per_value_and_no_lower_for_a_larger_one(values: list[float]) -> None:
    drawn = sparks(values)
    assert len(drawn) == len(values)
    heights = [(" " + SPARKS).index(character) for _, character in sorted(zip(values, drawn, strict=True))]
    assert heights == sorted(heights)


def test_sparks_against_a_fixed_top() -> None:
    assert sparks([0.0, 0.1, 0.5, 1.0, 2.0], 1.0) == " ▁▅██"


@given(st.lists(st.integers(), max_size=100), st.integers(1, 20))
def test_thinned_values_are_spread_and_end_with_the_last(values: list[int], length: int) -> None:
    kept = thinned(values, length)
    assert len(kept) == min(length, len(values))
    assert kept[-1:] == values[-1:]


def test_the_screen_keeps_its_size_from_first_to_last(board: Scoreboard, dashboard: Dashboard) -> None:
    screens = [screen(dashboard)]
    board.send(4, 0.0)
    for place in range(4):
        dashboard.sample()
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
