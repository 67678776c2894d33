from __future__ import annotations

import numpy as np

from bench.horizons.questions import Gaps, Questions
from tests.unit.bench.horizons.small_log import DAY_S, log_of

LOG = log_of([(0, 0), (1, 1), (3, 0), (3, 2), (10, 0)])
DAY_MS = DAY_S * 1000


def test_a_question_knows_the_past_alone() -> None:
    questions = Questions.ask(LOG, 3 * DAY_MS)
    assert questions.user.tolist() == [0, 1, 2]
    assert questions.events.tolist() == [2, 1, 1]
    assert (questions.silent_s / DAY_S).tolist() == [0, 2, 0]
    assert (questions.age_s / DAY_S).tolist() == [3, 2, 0]
    assert (questions.next_s / DAY_S).tolist() == [7, np.inf, np.inf]
    assert questions.returned(7 * DAY_S).tolist() == [True, False, False]
    assert questions.returned(6 * DAY_S).tolist() == [False, False, False]


def test_before_the_first_event_nobody_is_asked() -> None:
    assert len(Questions.ask(LOG, -1)) == 0


def test_the_last_gap_of_each_user_is_censored() -> None:
    gaps = Gaps.until(LOG, 5 * DAY_MS)
    known = sorted(zip(gaps.user.tolist(), (gaps.gap_s / DAY_S).tolist(), gaps.is_observed.tolist(), strict=True))
    assert known == [(0, 2.0, False), (0, 3.0, True), (1, 4.0, False), (2, 2.0, False)]
    assert gaps.number[gaps.user == 0].tolist() == [1, 2]
