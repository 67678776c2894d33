from dataclasses import replace

import numpy as np
import pytest

from bench.errors import BenchError
from bench.quality.datasets import Dataset
from bench.quality.protocols import ScorerResult, evaluate, split_events
from bench.quality.scorer import TOP_K, EventScores
from models.data.event_log import EventLog
from models.progress import ProgressCallback
from tests.unit.bench.small_logs import make_log


class RecordingScorer:
    """Records its calls, and ranks every item first."""

    name = "recording"

    def __init__(self, batch_events: int) -> None:
        self.batch_events = batch_events
        self.calls: list[tuple[str, list[int]]] = []

    def _record(self, call: str, events: EventLog) -> None:
        self.calls.append((call, (events.time_ms // 60_000).tolist()))

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        self._record("fit", events)

    def add_candidates(self, items: int) -> None:
        self.calls.append(("add_candidates", [items]))

    def score(self, events: EventLog) -> EventScores:
        self._record("score", events)
        one = np.ones(len(events))
        return EventScores(one, one * 0, one, one > 0, one * np.nan, np.zeros((0, TOP_K), np.int64))

    def step(self, events: EventLog, learn: bool) -> None:
        self._record("learn" if learn else "step", events)


LOG = make_log([0, 1, 0, 1, 0, 2, 1, 2, 2, 0], [1, 1, 2, 3, 3, 1, 2, 4, 2, 4])


def evaluate_recorded(
    log: Dataset, protocol: str, batch_events: int = 2
) -> tuple[RecordingScorer, ScorerResult, list[tuple[int, int]]]:
    scorer, progress = RecordingScorer(batch_events), list[tuple[int, int]]()
    result = evaluate(log, split_events(log, protocol), scorer, lambda done, total: progress.append((done, total)))
    return scorer, result, progress


def test_prequential_scores_the_last_30_percent_and_then_learns_it() -> None:
    scorer, result, progress = evaluate_recorded(LOG, "prequential")
    assert scorer.calls == [
        ("fit", [0, 1, 2, 3, 4, 5]),
        ("learn", [0, 1]),
        ("learn", [2, 3]),
        ("learn", [4, 5]),
        ("learn", [6]),
        ("score", [7, 8]),
        ("learn", [7, 8]),
        ("score", [9]),
        ("learn", [9]),
    ]
    assert len(result.scores.rank) == 3
    assert progress[-1] == (10, 10)


def test_jodie_scores_the_last_10_percent() -> None:
    scorer, _, _ = evaluate_recorded(LOG, "jodie", batch_events=1)
    assert [call for call in scorer.calls if call[0] == "score"] == [("score", [9])]
    assert scorer.calls[-1] == ("learn", [9])


def test_a_split_learns_nothing_of_what_it_scores() -> None:
    scorer, _, _ = evaluate_recorded(LOG, "split")
    assert scorer.calls[0] == ("fit", [0, 1, 2, 3, 4, 5, 6])
    assert [call for call, _ in scorer.calls].count("learn") == 4
    assert scorer.calls[-4:] == [("score", [7, 8]), ("step", [7, 8]), ("score", [9]), ("step", [9])]


def test_leave_one_out_scores_the_last_event_of_every_complete_user() -> None:
    log = replace(LOG, complete_users=np.array([True, True, False]))
    scorer, result, _ = evaluate_recorded(log, "leave-one-out", batch_events=10)
    assert scorer.calls == [
        ("fit", [0, 1, 2, 5, 7, 8]),
        ("add_candidates", [4]),
        ("learn", [0, 1, 2, 5, 7, 8, 3, 4]),
        ("score", [6, 9]),
        ("step", [6, 9]),
    ]
    assert result.events.user.tolist() == [1, 0]
    assert result.user_events.tolist() == [2, 3]
    assert result.candidates.tolist() == [4 - 2, 4 - 3]


def test_a_result_has_the_earlier_events_of_user_and_item() -> None:
    _, result, _ = evaluate_recorded(LOG, "prequential")
    assert result.user_events.tolist() == [1, 2, 3]
    assert result.item_events.tolist() == [0, 2, 1]
    assert result.candidates.tolist() == [3 - 1, 4 - 2, 4 - 3]
    allowed = make_log([0, 0, 0, 1, 0], [1, 1, 2, 1, 3])
    assert evaluate_recorded(allowed, "prequential")[1].candidates.tolist() == [2, 2]


def test_an_unknown_protocol_and_a_log_too_small_are_errors() -> None:
    with pytest.raises(BenchError, match="there are prequential, jodie"):
        split_events(LOG, "random")
    with pytest.raises(BenchError, match="too few"):
        split_events(make_log([0], [1]), "jodie")
    with pytest.raises(BenchError, match="too few"):
        split_events(make_log([0, 1, 2], [1, 1, 1]), "leave-one-out")
