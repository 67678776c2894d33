from dataclasses import replace

import numpy as np
import pytest

from bench.errors import BenchError
from bench.quality.datasets import Dataset
from bench.quality.protocols import Outcome, plan, replay
from bench.quality.scorer import TOP, Scores
from models.data.event_log import EventLog
from models.progress import ProgressCallback
from tests.unit.bench.small_logs import make_log


class Witness:
    """Notes what it is given, and ranks everything first."""

    name = "witness"

    def __init__(self, batch_events: int) -> None:
        self.batch_events = batch_events
        self.seen: list[tuple[str, list[int]]] = []

    def _note(self, what: str, events: EventLog) -> None:
        self.seen.append((what, (events.time_ms // 60_000).tolist()))

    def fit(self, events: EventLog, on_progress: ProgressCallback) -> None:
        self._note("fit", events)

    def know(self, items: int) -> None:
        self.seen.append(("know", [items]))

    def score(self, events: EventLog) -> Scores:
        self._note("score", events)
        one = np.ones(len(events))
        return Scores(one, one * 0, one, one > 0, one * np.nan, np.zeros((0, TOP), np.int64))

    def step(self, events: EventLog, learn: bool) -> None:
        self._note("learn" if learn else "step", events)


LOG = make_log([0, 1, 0, 1, 0, 2, 1, 2, 2, 0], [1, 1, 2, 3, 3, 1, 2, 4, 2, 4])


def watched(log: Dataset, protocol: str, batch_events: int = 2) -> tuple[Witness, Outcome, list[tuple[int, int]]]:
    witness, heard = Witness(batch_events), list[tuple[int, int]]()
    outcome = replay(log, plan(log, protocol), witness, lambda done, total: heard.append((done, total)))
    return witness, outcome, heard


def test_prequential_scores_the_last_30_percent_and_then_learns_it() -> None:
    witness, outcome, heard = watched(LOG, "prequential")
    assert witness.seen == [
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
    assert len(outcome.scores.rank) == 3
    assert heard[-1] == (10, 10)


def test_jodie_scores_the_last_10_percent() -> None:
    witness, _, _ = watched(LOG, "jodie", batch_events=1)
    assert [what for what in witness.seen if what[0] == "score"] == [("score", [9])]
    assert witness.seen[-1] == ("learn", [9])


def test_a_split_learns_nothing_of_what_it_scores() -> None:
    witness, _, _ = watched(LOG, "split")
    assert witness.seen[0] == ("fit", [0, 1, 2, 3, 4, 5, 6])
    assert [what for what, _ in witness.seen].count("learn") == 4
    assert witness.seen[-4:] == [("score", [7, 8]), ("step", [7, 8]), ("score", [9]), ("step", [9])]


def test_leave_one_out_scores_the_last_event_of_every_user_whose_events_are_whole() -> None:
    log = replace(LOG, whole=np.array([True, True, False]))
    witness, outcome, _ = watched(log, "leave-one-out", batch_events=10)
    assert witness.seen == [
        ("fit", [0, 1, 2, 5, 7, 8]),
        ("know", [4]),
        ("learn", [0, 1, 2, 5, 7, 8, 3, 4]),
        ("score", [6, 9]),
        ("step", [6, 9]),
    ]
    assert outcome.events.user.tolist() == [1, 0]
    assert outcome.history.tolist() == [2, 3]
    assert outcome.candidates.tolist() == [4 - 2, 4 - 3]


def test_an_outcome_knows_what_came_before_each_event() -> None:
    _, outcome, _ = watched(LOG, "prequential")
    assert outcome.history.tolist() == [1, 2, 3]
    assert outcome.popularity.tolist() == [0, 2, 1]
    assert outcome.candidates.tolist() == [3 - 1, 4 - 2, 4 - 3]
    allowed = make_log([0, 0, 0, 1, 0], [1, 1, 2, 1, 3])
    assert watched(allowed, "prequential")[1].candidates.tolist() == [2, 2]


def test_an_unknown_protocol_and_a_log_too_small_are_errors() -> None:
    with pytest.raises(BenchError, match="there are prequential, jodie"):
        plan(LOG, "random")
    with pytest.raises(BenchError, match="too few"):
        plan(make_log([0], [1]), "jodie")
    with pytest.raises(BenchError, match="too few"):
        plan(make_log([0, 1, 2], [1, 1, 1]), "leave-one-out")
