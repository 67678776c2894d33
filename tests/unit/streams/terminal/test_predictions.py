import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.schema.predictions import Carriers, Horizon, Prediction, Source
from streams.terminal.predictions import bar, percent, render_prediction

TITLES = {"i1": "The Silent Orbit", "i2": "A [bold]Heist[/]", "i3": "Last Colony"}


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 40))
def test_a_bar_is_never_longer_than_its_width_and_grows_with_the_share(a: float, b: float, width: int) -> None:
    small, large = sorted((a, b))
    assert len(bar(small, width)) <= len(bar(large, width)) <= width


@pytest.mark.parametrize(("share", "drawn"), [(0.0, ""), (0.5, "██"), (1.0, "████"), (2.0, "████"), (0.4, "█▋")])
def test_a_bar_is_exact_to_an_eighth_of_a_character(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0.0%"), (0.004, "0.4%"), (0.099, "9.9%"), (0.0996, "10%"), (0.314, "31%"), (1.0, "100%")]
)
def test_a_percentage_takes_four_characters(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_prediction_shows_user_items_interests_and_explanation() -> None:
    prediction = Prediction(
        "user-events:3:991", "u1", "e1", 1_731_900_000_123, 0, "00c0ffee.17", 118, Source("user-events", 3, 991),
        ["i1", "i2", "i9"], [0.5, 0.04, 0.03], 0.43, ["Sci-Fi", "Drama"], [0.75, 0.25], ["i3", "i9"], [0.4, 0.2],
        0.25, Carriers(0.6, 0.004, 0.246, 0.15),
    )  # fmt: skip
    console = Console(width=100, force_terminal=False)
    with console.capture() as captured:
        console.print(render_prediction(prediction, lambda item: TITLES.get(item, item)))
    lines = captured.get().splitlines()
    assert " ".join(lines[0].split()) == "u1 event 118 of the user, 2024-11-18 03:20:00 UTC · 00c0ffee.17 · 3:991"
    assert lines[1].split() == ["Sci-Fi", "75%", bar(0.75, 20), "50%", "The", "Silent", "Orbit"]
    assert lines[2].split() == ["Drama", "25%", bar(0.25, 20), "4.0%", "A", "[bold]Heist[/]"]
    assert lines[3].split() == ["3.0%", "i9"]
    assert lines[4].strip() == "because of Last Colony (40%), i9 (20%), other events 25%, popularity 15%"
    assert lines[5].strip() == "carried by attention 60%, following 25%, popularity 15%"
    prediction.return_p = {"1": 0.25, "30": 0.8}
    month = Horizon(30, ["Drama", "Sci-Fi"], [0.5, 0.25], ["i1"], [0.5], {"view": 0.3, "click": 0.8}, 0.0)
    prediction.horizons = [month, Horizon(1, [], [], [], [])]
    with console.capture() as captured:
        console.print(render_prediction(prediction, lambda item: TITLES.get(item, item)))
    lines = captured.get().splitlines()
    assert lines[4].strip() == "returns within 1 d 25%, within 30 d 80%"
    assert lines[5].strip() == "over 30 d Drama 50%, Sci-Fi 25%"
    assert lines[6].strip() == "within 30 d click 80%, view 30%"
    month.spent = 12.345
    with console.capture() as captured:
        console.print(render_prediction(prediction, lambda item: TITLES.get(item, item)))
    assert captured.get().splitlines()[6].strip() == "within 30 d click 80%, view 30%, spends 12.35"
