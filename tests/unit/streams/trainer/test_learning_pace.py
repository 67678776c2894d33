import time

import pytest

from streams.trainer.learning_pace import LearningPace


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(("behind", "share"), [(False, 0.4), (True, 0.1)])
def test_steps_take_their_share_of_the_time_and_a_quarter_of_it_behind_a_backlog(
    seconds: list[float], behind: bool, share: float
) -> None:
    pace = LearningPace(0.4)
    assert pace.wait_s == 0
    learning = 0.0
    for took in (0.1, 0.3, 0.2):
        learning += took
        seconds[0] += took
        pace.add_step(took, behind)
        seconds[0] += pace.wait_s
    assert learning / (seconds[0] - 100.0) == pytest.approx(share)


def test_what_does_not_fill_a_step_waits_for_half_a_second(seconds: list[float]) -> None:
    pace = LearningPace(1.0)
    pace.add_step(0.0, behind=False)
    seconds[0] += 0.4
    assert not pace.partial
    seconds[0] += 0.2
    assert pace.partial
