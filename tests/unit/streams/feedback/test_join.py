from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from state.options import StoreMemory
from streams.feedback import join as join_module
from streams.feedback.feedback_store import FeedbackStore, StorePosition
from streams.feedback.join import Join
from streams.schema.decisions.decision import Decision
from streams.schema.events import UserDelete, UserEvent
from streams.settings.policy_section import FeedbackSettings

NOW_MS = 1_731_900_000_000
SETTINGS = FeedbackSettings(horizon_s=60, grace_s=10, closing_type="purchase", weights={"click": 1.0, "purchase": 5.0})
POSITION = StorePosition("c", 0, "p", 0)


def opened(folder: Path) -> FeedbackStore:
    return FeedbackStore(folder / "partition-0", StoreMemory(8 << 20), 60_000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FeedbackStore]:
    store = opened(tmp_path)
    yield store
    store.close()


def decision(number: int, user: str = "u1", time: int = NOW_MS) -> Decision:
    return Decision(
        decision_id=f"d{number}",
        user_id=user,
        time=time,
        slate=("i1", "i2"),
        propensities=(0.5, 1.0),
        policy="greedy",
        policy_version=0,
    )


def feedback(number: int, name: str = "click", user: str = "u1") -> UserEvent:
    return UserEvent(user, name, NOW_MS + 5, "i1", decision_id=f"d{number}")


def commit(join: Join) -> Join:
    join.store.write(join.changes, {}, POSITION)
    return Join(join.store, join.settings)


def test_a_decision_without_feedback_is_worth_nothing_once_horizon_and_grace_are_over(store: FeedbackStore) -> None:
    join = Join(store, SETTINGS)
    join.add_decisions([decision(1), decision(2, "u2")], NOW_MS)
    join = commit(join)
    join.close_due(NOW_MS + 70_000)
    assert join.rewards == []
    join.close_due(NOW_MS + 70_001)
    assert sorted((reward.decision_id, reward.reward) for reward in join.rewards) == [("d1", 0.0), ("d2", 0.0)]
    commit(join)
    assert store.waiting() == 0
    assert list(store.due(NOW_MS * 2, 10)) == []


def test_feedback_of_an_earlier_and_of_this_step_adds_up_and_comes_before_the_deadline(store: FeedbackStore) -> None:
    join = Join(store, SETTINGS)
    join.add_decisions([decision(1), decision(2)], NOW_MS)
    join.add_events([feedback(1)], NOW_MS)
    join = commit(join)
    join.add_events([feedback(2), feedback(2, "view"), feedback(3), feedback(1, user="u2"), None], NOW_MS)
    join.close_due(NOW_MS + 100_000)
    by_id = {reward.decision_id: reward for reward in join.rewards}
    assert (by_id["d1"].rewards, by_id["d2"].rewards) == ((1.0, 0.0), (1.0, 0.0))
    assert by_id["d2"].feedback == {"click": 1, "view": 1}
    assert (join.counts.feedback, join.counts.unmatched, join.counts.rewards) == (2, 2, 2)


def test_a_purchase_closes_at_once_and_what_comes_after_it_names_nothing(store: FeedbackStore) -> None:
    join = Join(store, SETTINGS)
    join.add_decisions([decision(1)], NOW_MS)
    join.add_events([feedback(1, "purchase"), feedback(1)], NOW_MS + 7)
    (reward,) = join.rewards
    assert (reward.reward, reward.closed, reward.closed_at) == (5.0, "feedback", NOW_MS + 7)
    assert join.counts.unmatched == 1
    assert list(join.changes.values()) == [None]


def test_a_decision_that_is_sent_twice_waits_once(store: FeedbackStore) -> None:
    join = Join(store, SETTINGS)
    join.add_decisions([decision(1)], NOW_MS)
    join.add_events([feedback(1)], NOW_MS)
    join = commit(join)
    join.add_decisions([decision(1), decision(1)], NOW_MS)
    assert (join.changes, join.counts.decisions) == ({}, 0)
    join.close_due(NOW_MS + 100_000)
    assert [reward.reward for reward in join.rewards] == [1.0]


def test_feedback_that_is_sent_twice_counts_once_whatever_it_names_then(tmp_path: Path) -> None:
    settings = replace(SETTINGS, repeats=5)
    clicked, again = feedback(1), feedback(1)
    clicked.event_id = again.event_id = "e1"
    other = feedback(1)
    other.event_id = "e2"
    by_prediction = UserEvent("u1", "click", NOW_MS + 5, "i1", "e3", prediction_id="p")
    store = opened(tmp_path)
    join = Join(store, settings)
    join.add_decisions([msgspec.structs.replace(decision(1), prediction_id="p")], NOW_MS)
    join.add_events([clicked, again, by_prediction, feedback(1), feedback(1)], NOW_MS)
    assert (join.counts.feedback, join.counts.repeated) == (4, 1)
    store.write(join.changes, {}, POSITION)
    store.close()
    store = opened(tmp_path)
    join = Join(store, settings)
    # A newer decision of the same prediction, which the repeated event would name.
    join.add_decisions([msgspec.structs.replace(decision(2), prediction_id="p", time=NOW_MS + 1)], NOW_MS)
    join.add_events([again, other, by_prediction], NOW_MS)
    assert (join.counts.feedback, join.counts.repeated) == (1, 2)
    join = commit(join)
    join.close_due(NOW_MS + 100_000)
    rewards = {reward.decision_id: reward.feedback for reward in join.rewards}
    assert rewards == {"d1": {"click": 5}, "d2": {}}
    store.close()


def test_a_user_who_is_erased_is_waited_for_no_more(store: FeedbackStore) -> None:
    join = Join(store, SETTINGS)
    join.add_decisions([decision(1), decision(2, "u2")], NOW_MS)
    join = commit(join)
    join.add_events([UserDelete("u1", "user.delete"), feedback(1)], NOW_MS)
    join.close_due(NOW_MS + 100_000)
    assert [reward.user_id for reward in join.rewards] == ["u2"]
    assert (join.counts.erased, join.counts.unmatched) == (1, 1)


def test_ids_of_any_characters_are_kept_apart(store: FeedbackStore) -> None:
    first, second = decision(1), decision(1)
    first.user_id, first.decision_id = "u\0", "x"
    second.user_id, second.decision_id = "u", "\0x"
    join = Join(store, SETTINGS)
    join.add_decisions([first, second], NOW_MS)
    commit(join)
    assert [known.decision.user_id for known in store.of_user("u")] == ["u"]
    assert store.waiting() == 2


def test_of_too_many_decisions_of_a_user_the_oldest_is_closed(
    store: FeedbackStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join_module, "_MAX_OPEN", 3)
    join = Join(store, SETTINGS)
    join.add_decisions([decision(number, time=NOW_MS + number) for number in range(5)], NOW_MS)
    assert [reward.decision_id for reward in join.rewards] == ["d0", "d1"]


def test_what_was_written_is_there_after_the_store_is_opened_anew(tmp_path: Path) -> None:
    store = opened(tmp_path)
    join = Join(store, SETTINGS)
    join.add_decisions([decision(1)], NOW_MS)
    store.write(join.changes, {b"u1": b"{}"}, StorePosition("c", 17, "p", 4))
    store.close()
    store = opened(tmp_path)
    assert store.position == StorePosition("c", 17, "p", 4)
    assert [known.decision for known in store.due(NOW_MS + 60_001, 10)] == [decision(1)]
    assert store.prediction("u1") == b"{}"
    store.clear()
    assert [store.waiting(), store.prediction("u1")] == [0, None]
    store.close()
