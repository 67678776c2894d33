from pathlib import Path

import pytest

from streams.demo.decisions import CANDIDATES, EXPERIMENT, DecisionTraffic, decision_settings
from streams.demo.input import DemoOptions, load_input
from streams.errors import StreamError
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.settings.settings import load_settings


def decided(request: DecisionRequest, *slate: str) -> Decision:
    return Decision(
        decision_id=f"d{request.request_id}",
        user_id=request.user_id,
        time=0,
        slate=slate,
        propensities=(1.0,) * len(slate),
        policy="greedy",
        policy_version=0,
        request_id=request.request_id,
    )


@pytest.fixture
def traffic() -> DecisionTraffic:
    made = load_input(DemoOptions(decisions=True, seconds=20))
    return DecisionTraffic(made.events, [item.item_id for item in made.items], 0)


def test_what_a_user_takes_next_is_among_the_candidates(traffic: DecisionTraffic) -> None:
    made = load_input(DemoOptions(decisions=True, seconds=20))
    requests = traffic.requests(0, 4000)
    assert 900 < traffic.requested == len(requests) <= 1000
    positions = set()
    for request in requests:
        following = made.events[int(request.request_id or "")]
        assert following.user_id == request.user_id
        assert request.candidates is not None
        assert len(set(request.candidates)) == CANDIDATES
        positions.add(request.candidates.index(following.item_id))
        assert request.experiment == EXPERIMENT
    assert len(positions) == CANDIDATES


def test_an_event_names_the_decision_that_showed_its_item(traffic: DecisionTraffic) -> None:
    first, second, third, *_ = traffic.requests(0, 100)
    events = traffic.named(0, 8000)
    wanted = {request.request_id: events[int(request.request_id or "")].item_id for request in (first, second, third)}
    traffic.show(decided(first, "x", wanted[first.request_id]))
    traffic.show(decided(second, "x", "y"))
    named = [event for event in traffic.named(0, 8000) if event.extra_fields]
    assert [event.extra_fields for event in named] == [{"decision_id": f"d{first.request_id}"}]
    assert named[0].user_id == first.user_id
    assert b'"decision_id":"d' in named[0].encode()
    assert traffic.named(0, 8000) == events  # named once


def test_a_users_events_are_far_enough_apart_to_decide_between_them() -> None:
    events = load_input(DemoOptions(decisions=True, seconds=20)).events
    last: dict[str, int] = {}
    gaps = []
    for index, event in enumerate(events):
        if event.user_id in last:
            assert event.time_ms >= events[last[event.user_id]].time_ms
            gaps.append(index - last[event.user_id])
        last[event.user_id] = index
    assert min(gaps) > 50


def test_a_log_whose_users_decide_elsewhere_is_refused() -> None:
    with pytest.raises(StreamError, match="leave --events out"):
        load_input(DemoOptions(decisions=True, events=Path("log.csv")))


def test_the_settings_are_valid(tmp_path: Path) -> None:
    settings = load_settings(None, decision_settings(tmp_path))
    assert settings.policy.names == ("softmax", "thompson")
    assert settings.feedback.weights["view"] == 1.0
