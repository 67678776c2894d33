import pytest

from streams.monitoring.health import StallClock


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock."""
    seconds = [1000.0]
    monkeypatch.setattr("streams.monitoring.health.time.monotonic", lambda: seconds[0])
    return seconds


def test_work_that_waits_without_progress_counts_from_when_it_was_seen(now: list[float]) -> None:
    clock = StallClock()
    assert clock.stalled_s(0, waiting=False) == 0
    now[0] += 3600  # an idle hour in which nobody asked
    assert clock.stalled_s(0, waiting=True) == 0
    now[0] += 5
    assert clock.stalled_s(0, waiting=True) == 5
    now[0] += 5
    assert clock.stalled_s(1, waiting=True) == 0  # progress
    now[0] += 5
    assert clock.stalled_s(1, waiting=True) == 5
    assert clock.stalled_s(1, waiting=False) == 0
    now[0] += 5
    assert clock.stalled_s(1, waiting=True) == 0
