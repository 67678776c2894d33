from collections import Counter
from pathlib import Path

import pytest

from streams.feedback.open_decision import OpenDecision
from streams.files.event_logs import read_events
from streams.files.simulated_feedback import SimulatedFeedback, simulate_feedback
from streams.files.synthetic import write_files
from streams.policy.off_policy import is_complete
from streams.policy.outcomes import is_usable
from streams.schema.decisions.decision import decode_decision


@pytest.fixture(scope="module")
def simulated() -> SimulatedFeedback:
    return simulate_feedback(2000, 30, 20, 0)


def test_the_same_seed_gives_the_same_feedback(simulated: SimulatedFeedback) -> None:
    assert simulate_feedback(2000, 30, 20, 0) == simulated
    other = simulate_feedback(2000, 30, 20, 1)
    ids, others = ({decision.decision_id for decision in one.decisions} for one in (simulated, other))
    assert not ids & others  # both may be sent to one Kafka: a decision_id is of one decision


def test_every_event_names_a_decision_that_showed_its_item_before(simulated: SimulatedFeedback) -> None:
    decisions = {decision.decision_id: decision for decision in simulated.decisions}
    assert len(simulated.events()) == 2000
    assert [event.time_ms for event in simulated.events()] == sorted(event.time_ms for event in simulated.events())
    clicked = set()
    for event in simulated.events():
        assert event.extra_fields is not None
        decision = decisions[str(event.extra_fields["decision_id"])]
        assert event.user_id == decision.user_id
        assert event.item_id in decision.slate
        assert event.time_ms >= decision.time
        pair = decision.decision_id, event.item_id
        if event.event_type == "click":
            clicked.add(pair)
        assert event.event_type != "purchase" or pair in clicked
    counts = Counter(event.event_type for event in simulated.events())
    assert counts["impression"] > counts["click"] > counts["purchase"] > 0


def test_decisions_have_what_policies_learn_from_and_estimates_are_made_of(simulated: SimulatedFeedback) -> None:
    for decision in simulated.decisions:
        known = OpenDecision.of(decision)
        reward = known.reward(decision.time)
        assert is_usable(reward)
        assert is_complete(decision, reward)
        assert decision.candidates == 20
        assert 0 < sum(decision.context) == pytest.approx(1, abs=0.01)
    assert len({decision.slate for decision in simulated.decisions}) > 100
    shown = [max(decision.interest) - max(decision.other_interest) for decision in simulated.decisions]
    assert sum(shown) > 0  # what is more interesting is shown more often


def test_it_is_written_as_what_replay_and_evaluation_read(simulated: SimulatedFeedback, tmp_path: Path) -> None:
    write_files(simulated, tmp_path / "events.jsonl", tmp_path / "items.csv")
    simulated.write_decisions(tmp_path / "decisions.jsonl")
    read = read_events(tmp_path / "events.jsonl", None).events
    assert [event.event_id for event in read] == [event.event_id for event in simulated.events()]
    assert read[0].extra_fields is not None
    assert read[0].extra_fields["decision_id"] == simulated.decisions[0].decision_id
    lines = (tmp_path / "decisions.jsonl").read_bytes().splitlines()
    decisions = [decode_decision(line) for line in lines]
    assert decisions == simulated.decisions
    assert all(0 < p <= 1 for decision in decisions for p in decision.propensities)
    named = {item.item_id for item in simulated.items()}
    assert all(item_id in named for decision in decisions for item_id in decision.slate)
