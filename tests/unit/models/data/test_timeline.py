import numpy as np
import pytest

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_state import GAP_BUCKETS, new_user_states


def batch_of(user: list[int], time_s: list[float], item: list[int] | None = None) -> EventBatch:
    times = (np.array(time_s) * 1000).astype(np.int64)
    return EventBatch(np.array(user), np.array(item or [1] * len(user)), np.zeros(len(user), dtype=np.int64), times)


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0, 1), (0.999, 1), (1, 2), (2.9, 2), (3, 3), (7, 4), (3600, 12), (1e12, GAP_BUCKETS - 1)]
)
def test_gap_bucket_is_the_logarithm_of_the_seconds(config: ModelConfig, seconds: float, bucket: int) -> None:
    timeline = Timeline(batch_of([0, 0], [1e9, 1e9 + seconds]), new_user_states(config, 1))
    assert timeline.features.gap.tolist() == [0, bucket]


def test_gap_reaches_back_to_the_stored_time(config: ModelConfig) -> None:
    rows = new_user_states(config, 2)
    rows["steps"], rows["last_time_ms"] = [3, 0], [1_000_000, 0]
    timeline = Timeline(batch_of([0, 1], [1003, 1003]), rows)
    assert timeline.features.gap.tolist() == [3, 0]


def test_clock_never_goes_back(config: ModelConfig) -> None:
    rows = new_user_states(config, 2)
    rows["steps"], rows["last_time_ms"] = [1, 0], [50_000, 0]
    timeline = Timeline(batch_of([0, 0, 0, 1, 1, 1], [10, 60, 40, 9, 5, 12]), rows)
    assert (timeline.clock_ms // 1000).tolist() == [50, 60, 60, 9, 9, 12]
    assert timeline.features.gap.tolist() == [1, 4, 1, 0, 1, 3]
    after = rows.copy()
    timeline.advance(after)
    assert after["last_time_ms"].tolist() == [60_000, 12_000]


def test_time_before_the_epoch_is_a_valid_time(config: ModelConfig) -> None:
    timeline = Timeline(batch_of([0, 0], [-100, -93]), new_user_states(config, 1))
    assert timeline.features.gap.tolist() == [0, 4]


def test_window_is_newest_first_and_crosses_from_batch_into_ring(config: ModelConfig) -> None:
    rows = new_user_states(config, 2)
    for items in ([1, 2, 3], [4, 5, 6, 7]):
        timeline = Timeline(batch_of([1] * len(items), [0] * len(items), items), rows)
        rows = rows.copy()
        timeline.advance(rows)
    timeline = Timeline(batch_of([0, 1, 1], [0, 0, 0], [20, 8, 9]), rows)
    windows = timeline.windows(np.array([0, 1, 1, 0]), np.array([0, 8, 7, -1]))
    assert windows.item[0, 0] == 20
    assert windows.valid[0].tolist() == [True, False, False, False, False]
    assert windows.item[1].tolist() == [9, 8, 7, 6, 5]
    assert windows.item[2].tolist() == [8, 7, 6, 5, 4]
    assert windows.valid[1:3].all()
    assert not windows.valid[3].any()


def test_user_without_events_keeps_the_row(config: ModelConfig) -> None:
    rows = new_user_states(config, 3)
    rows["steps"], rows["last_time_ms"] = 7, 70_000
    rows["ring_item"] = 5
    after = rows.copy()
    Timeline(batch_of([1], [80]), rows).advance(after)
    assert (after[[0, 2]] == rows[[0, 2]]).all()
    assert after["steps"].tolist() == [7, 8, 7]


def test_event_of_a_user_without_a_row_is_refused(config: ModelConfig) -> None:
    with pytest.raises(ValueError, match="2 rows"):
        Timeline(batch_of([0, 2], [0, 0]), new_user_states(config, 2))
