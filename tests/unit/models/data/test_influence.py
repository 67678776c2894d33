import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.influence import (
    INFLUENCE_EVENTS,
    NO_LIMITS,
    InfluenceLimits,
    event_influence,
    judged_by,
    newest_influence,
)
from models.data.new_events import NewEvents
from models.data.timeline import Timeline
from models.data.user_state import new_user_states, ordered_history

LIMITS = InfluenceLimits(min_window_s=30, max_repeats=5)
CONFIG = ModelConfig(history_length=50, text="none")
Row = NDArray[np.void]


def influence_of(item: list[int], gap: int | list[int], limits: InfluenceLimits = LIMITS) -> list[float]:
    """Of all events of a user, oldest first."""
    items, gaps = np.array(item), np.full(len(item), gap) if isinstance(gap, int) else np.array(gap)
    judging, held = judged_by(np.arange(len(items)), np.full(len(items), len(items)))
    return [float(share) for share in event_influence(items, items[judging], gaps[judging], held, limits)]


def row_influence(row: Row) -> list[float]:
    features, length = ordered_history(row, np.array([0]))
    return influence_of(features.item[0, : length[0]].tolist(), features.gap[0, : length[0]].tolist())


def advanced(row: Row, item: list[int], time_ms: list[int]) -> Row:
    """The row of a user after these clicks."""
    batch = EventBatch(np.zeros(len(item), np.int64), np.array(item), np.full(len(item), 2), np.array(time_ms))
    after = row.copy()
    Timeline(batch, row).advance(after)
    return after


def test_events_at_a_persons_pace_have_full_influence() -> None:
    assert influence_of(list(range(1, 51)), gap=4) == [1.0] * 50


def test_a_flood_has_none_but_at_its_begin() -> None:
    assert influence_of([*range(1, 51)], gap=1) == [0.0] * 50
    assert influence_of([*range(1, 25)], gap=1) == [1.0] * 24, "too few to tell"


def test_what_is_somewhat_faster_than_people_has_a_part_of_it() -> None:
    # 14 gaps of under a second and 10 of one to three are taken for 27 s, of 30: 2 · 27 / 30 - 1.
    assert influence_of([*range(1, 26)], gap=[0, *[1] * 14, *[2] * 10])[-1] == pytest.approx(0.8)


def test_an_item_beyond_its_repeats_has_ever_less_influence() -> None:
    shares = influence_of([7] * 30, gap=6)
    assert shares == pytest.approx([(5 / 25) ** 3] * 30)
    shares = influence_of([7] * 10, gap=6)
    assert shares == pytest.approx([(5 / 10) ** 3] * 10)
    shares = influence_of([1, 2, 3, 7, 7, 7, 7, 7, 4], gap=6)
    assert shares == [1.0] * 9
    assert influence_of([0] * 30, gap=6) == [1.0] * 30, "events without an item repeat nothing"


def test_without_limits_all_have_full_influence() -> None:
    assert influence_of([7] * 30, gap=1, limits=NO_LIMITS) == [1.0] * 30


def test_a_row_gives_the_same_however_the_stream_was_cut() -> None:
    """Of a row with its first 25 events, as long as no step has more than 25 of them."""
    random = np.random.default_rng(0)
    item = random.choice([1, 2, 3, 4, 9, 9, 9, 9], 200).tolist()
    time_ms = np.cumsum(random.choice([100, 100, 100, 3000], 200)).tolist()
    weights: dict[int, list[float]] = {}
    for step in (1, 20):
        row, weights[step] = new_user_states(CONFIG, 1), []
        for low in range(0, 200, step):
            row = advanced(row, item[low : low + step], time_ms[low : low + step])
            if low >= 60:
                weights[step] += row_influence(row)[-step:]
    assert weights[1] == pytest.approx(weights[20])
    assert 0 < np.mean(weights[1]) < 1


def test_the_influence_of_a_newest_event_is_that_in_its_window() -> None:
    random = np.random.default_rng(1)
    row = new_user_states(CONFIG, 1)
    for _ in range(60):
        item, gap_ms = int(random.choice([1, 2, 9, 9, 9])), int(random.choice([100, 500, 4000]))
        batch = EventBatch(*(np.array([value]) for value in (0, item, 1, int(row["last_time_ms"][0]) + gap_ms)))
        timeline = Timeline(batch, row)
        newest = newest_influence(timeline.windows(batch.user, timeline.event_number), LIMITS)
        after = row.copy()
        timeline.advance(after)
        row = after
        assert newest[0] == pytest.approx(row_influence(row)[-1])


def test_where_repeats_are_allowed_how_probable_they_are_is_learnt_from_all_of_them() -> None:
    assert LIMITS.of_predictions(allow_repeats=False) == LIMITS
    assert LIMITS.of_predictions(allow_repeats=True) == InfluenceLimits(min_window_s=30)


def test_counting_weighs_events_as_their_rows_show_them() -> None:
    random = np.random.default_rng(2)
    item = random.choice([1, 2, 3, 9, 9, 9, 9], 70).tolist()
    row = advanced(new_user_states(CONFIG, 1), item, np.cumsum(random.choice([100, 2000], 70)).tolist())
    expected = np.array(row_influence(row))
    assert 0 < expected.min() < expected.max() == 1
    for new_events in (3, 40, 60):
        events = NewEvents.of(row, np.array([new_events]), LIMITS)
        assert events.weight.tolist() == pytest.approx(expected[-min(new_events, 50) :])


def test_counting_leaves_out_what_has_no_influence_and_weighs_the_rest() -> None:
    minute, flooded, repeating = 60_000, new_user_states(CONFIG, 1), new_user_states(CONFIG, 1)
    flooded = advanced(flooded, [7] * 40, [n * 100 for n in range(40)])
    repeating = advanced(repeating, [7] * 40, [n * minute for n in range(40)])
    rows = np.concatenate([flooded, repeating])
    events = NewEvents.of(rows, np.array([3, 2]), LIMITS)
    assert events.item.tolist() == [7, 7]
    assert events.weight.tolist() == pytest.approx([(5 / INFLUENCE_EVENTS) ** 3] * 2)
    assert len(NewEvents.of(rows, np.array([3, 2]))) == 5
