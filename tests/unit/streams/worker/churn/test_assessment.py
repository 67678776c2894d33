import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from models.config import ModelConfig
from models.data.horizons.horizon_days import DAY_S
from models.data.user_row import user_row_fields
from models.inference.predictions import ModelVersion, Outlook
from models.items.vocabulary import ItemVocabulary
from state.rows import RowLayout
from streams.schema.churn import LEVELS, decode_warning
from streams.schema.documents.json_schema import schemas
from streams.settings.churn_section import ChurnSettings
from streams.worker.churn.assessment import Engagement, return_of, risk_levels, warnings_of

CONFIG = ModelConfig(embedding_dim=4, hidden_size=4, history_length=50, text="none")
P = np.float32


def rows_of(*gaps_days: list[float]) -> np.ndarray:
    """Rows of users with these gaps between their events, oldest first."""
    rows = RowLayout(user_row_fields(CONFIG)).new(len(gaps_days))
    for row, gaps in zip(rows, gaps_days, strict=True):
        bucket = [0] + [1 + int(np.log2(1 + gap * DAY_S)) for gap in gaps]
        row["ring_gap"][: len(bucket)] = bucket
        row["steps"] = row["count"] = len(bucket)
        row["last_time_ms"] = 1_700_000_000_000
    return rows


def test_levels_rise_with_the_probability_and_fall_by_an_event_alone() -> None:
    settings = ChurnSettings(at_risk_p=0.6, lost_p=0.9, min_silent_days=7)
    p = np.array([0.5, 0.6, 0.89, 0.9, 0.95, 0.1, 0.7])
    known = np.array([0, 0, 0, 0, 0, 2, 2])
    silent_s = np.array([30, 30, 30, 30, 6, 30, 30]) * float(DAY_S)
    assert risk_levels(p, silent_s, known, settings).tolist() == [0, 1, 1, 2, 0, 2, 2]


def test_a_reason_is_the_own_rhythm_or_falling_engagement() -> None:
    steady, slowing = [3.0] * 20, [1.0] * 30 + [12.0, 14.0, 18.0]
    engagement = Engagement.of(rows_of(steady, slowing, []))
    assert 2 < engagement.usual_gap_days[0] < 4.5
    assert 0.8 < engagement.ratio[0] < 1.2
    assert engagement.ratio[1] < 0.7
    assert engagement.usual_gap_days[2] == 0
    assert [engagement.reason(0, days) for days in (4.0, 20.0)] == ["forecast", "silence"]
    assert engagement.reason(1, 2.0) == "engagement"
    assert engagement.reason(2, 100.0) == "forecast"


def test_a_warning_tells_what_the_user_would_want_over_a_month() -> None:
    items = ItemVocabulary(10)
    for name in ("i1", "i2"):
        items.describe(name, name, ["Drama"])
        items.add(name)
    outlook = Outlook(
        np.array([[0.1, 0.2, 0.25]], P),
        np.array([[[1, 2], [1, 2], [2, 0]]]),
        np.array([[[0.5, 0.25], [0.5, 0.25], [0.5, 0]]], P),
        np.array([[[0, -1]] * 3]),
        np.array([[[0.75, 0]] * 3], P),
        type_p=np.array([[[0, 0.25, 0.5]] * 3], P),
        spent=np.array([[1, 2, 3.5]], P),
    )
    rows, silent_s = rows_of([3.0] * 20), np.array([20.0 * DAY_S])
    (value,) = warnings_of([b"u1"], rows, np.array([2]), outlook, silent_s, items, ModelVersion(1, 2), 5)
    warning = decode_warning(value)
    assert (warning.user_id, warning.level, warning.since, warning.reason) == ("u1", LEVELS[2], 5, "silence")
    assert (warning.no_event_p, warning.silent_days, warning.state_version) == (0.75, 20.0, 21)
    assert (warning.items, warning.item_p) == (["i2"], [0.5])
    assert (warning.categories, warning.category_p) == (["Drama"], [0.75])
    assert (warning.type_p, warning.spent) == ({"view": 0.25, "click": 0.5}, 3.5)
    Draft202012Validator(schemas()["interest-churn"]).validate(msgspec.json.decode(value))
    returned = decode_warning(return_of(b"u1", rows[0], ModelVersion(1, 2)))
    assert (returned.level, returned.since, returned.reason) == ("none", 1_700_000_000_000, "returned")


@pytest.mark.parametrize("name", ["no_event_p", "level", "user_id"])
def test_a_warning_without_a_field_is_none(name: str) -> None:
    fields = msgspec.json.decode(return_of(b"u1", rows_of([])[0], ModelVersion(1, 2)))
    del fields[name]
    with pytest.raises(Exception, match="not a record of interest-churn"):
        decode_warning(msgspec.json.encode(fields))
