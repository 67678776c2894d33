import msgspec
import pytest

from streams.feedback.open_decision import OpenDecision, event_hash, named_decision, names_a_decision
from streams.schema.decisions.decision import Decision
from streams.schema.events import UserEvent
from streams.settings.policy_section import FeedbackSettings

TIME_MS = 1_731_900_000_000
SETTINGS = FeedbackSettings(horizon_s=60, weights={"click": 1.0, "purchase": 5.0})


def decision(
    decision_id: str = "d1", slate: tuple[str, ...] = ("i1", "i2"), time: int = TIME_MS, prediction_id: str = "p1"
) -> Decision:
    return Decision(
        decision_id=decision_id,
        user_id="u1",
        time=time,
        slate=slate,
        propensities=(0.5,) * len(slate),
        policy="softmax",
        policy_version=3,
        prediction_id=prediction_id,
        experiment="e",
        arm="b",
        features=((0.1,),) * len(slate),
    )


def event(
    event_type: str = "click",
    item_id: str | None = "i2",
    after_ms: int = 1000,
    *,
    decision_id: str | None = None,
    prediction_id: str | None = None,
    impression: tuple[str, ...] = (),
    dwell_s: object = None,
) -> UserEvent:
    fields = UserEvent("u1", event_type, TIME_MS + after_ms, item_id, decision_id=decision_id)
    fields.prediction_id, fields.impression = prediction_id, impression
    if dwell_s is not None:
        fields.properties = msgspec.Raw(msgspec.json.encode({"dwell_s": dwell_s}))
    return fields


def test_events_are_rewarded_by_type_and_place_each_once() -> None:
    known = OpenDecision.of(decision())
    for name, item in (("click", "i2"), ("click", "i2"), ("purchase", "i2"), ("click", "i1"), ("view", "i1")):
        assert known.add(event(name, item), SETTINGS)
    reward = known.reward(TIME_MS + 60_000)
    assert (reward.rewards, reward.reward, reward.feedback) == ((1.0, 6.0), 7.0, {"click": 3, "purchase": 1, "view": 1})
    assert (reward.decision_id, reward.policy, reward.policy_version, reward.arm) == ("d1", "softmax", 3, "b")
    assert (reward.closed, reward.closed_at, reward.time) == ("horizon", TIME_MS + 60_000, TIME_MS)
    assert reward.features == ((0.1,), (0.1,))


def test_events_of_other_items_or_behind_the_horizon_change_nothing() -> None:
    known = OpenDecision.of(decision())
    assert not known.add(event(item_id="i9"), SETTINGS)
    assert not known.add(event(item_id=None), SETTINGS)
    assert not known.add(event(after_ms=60_001), SETTINGS)
    assert known == OpenDecision.of(decision())


def test_repeats_count_as_often_as_the_settings_say() -> None:
    known = OpenDecision.of(decision())
    for _ in range(5):
        known.add(event(), FeedbackSettings(repeats=3, weights={"click": 1.0}))
    assert known.rewards == [0.0, 3.0]


def test_ids_of_events_are_kept_up_to_a_bound_and_decisions_of_earlier_versions_have_none() -> None:
    known = OpenDecision.of(decision())
    for number in range(300):
        clicked = event()
        clicked.event_id = f"e{number}"
        known.add(clicked, SETTINGS)
    newest, oldest = event(), event()
    newest.event_id, oldest.event_id = "e299", "e0"
    assert len(known.events) == 256
    assert (event_hash(newest) in known.events, event_hash(oldest) in known.events) == (True, False)
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(known))
    assert msgspec.convert(stored[:-1], OpenDecision).events == []
    assert msgspec.convert(stored, OpenDecision) == known


@pytest.mark.parametrize(
    ("seconds", "rewards"),
    [([15], 1.0), ([15, 30, 20], 2.0), ([600], 4.0), (["x"], 0.0), ([True], 0.0), ([-5], 0.0), ([10**400], 4.0)],
)
def test_the_longest_stay_on_an_item_is_rewarded_in_proportion(seconds: list[object], rewards: float) -> None:
    settings = FeedbackSettings(weights={}, dwell_weight=4.0, dwell_full_s=60)
    known = OpenDecision.of(decision())
    for dwell_s in seconds:
        known.add(event("view", dwell_s=dwell_s), settings)
    assert known.rewards == [0.0, pytest.approx(rewards)]


def test_an_event_of_the_closing_type_ends_the_wait() -> None:
    settings = FeedbackSettings(closing_type="purchase")
    known = OpenDecision.of(decision())
    finished = []
    for name in ("click", "purchase"):
        known.add(event(name), settings)
        finished.append(known.finished)
    assert finished == [False, True]
    assert known.reward(0).closed == "feedback"


def test_types_without_number_count_as_other() -> None:
    known = OpenDecision.of(decision())
    for number in range(100):
        known.add(event(f"type-{number}"), SETTINGS)
    assert sum(known.feedback.values()) == 100
    assert len(known.feedback) == 33


OLD = OpenDecision.of(decision("old", ("i1", "i2", "i3"), TIME_MS - 10))
NEW = OpenDecision.of(decision("new", ("i3", "i2"), TIME_MS, "p2"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (event(decision_id="old"), OLD),
        (event(decision_id="new"), NEW),
        (event(decision_id="gone"), None),
        (event(decision_id="gone", prediction_id="p1"), None),
        (event(prediction_id="p1"), OLD),
        (event(prediction_id="p2"), NEW),
        (event(prediction_id="new"), NEW),
        (event(item_id="i1", prediction_id="p2"), None),
        (event(impression=("i3", "i2")), NEW),
        (event(impression=("i1", "i2")), OLD),
        (event(impression=("i1", "i2", "i3", "i4")), OLD),
        (event(impression=("i2", "i1")), None),
        (event(), None),
    ],
)
def test_an_event_names_a_decision_by_its_id_its_prediction_or_what_was_shown(
    given: UserEvent, expected: OpenDecision | None
) -> None:
    assert named_decision(given, [OLD, NEW]) is expected


def test_what_names_nothing_is_no_feedback() -> None:
    assert not names_a_decision(event())
    assert all(
        names_a_decision(given)
        for given in (event(decision_id="d"), event(prediction_id="p"), event(impression=("i1",)))
    )
