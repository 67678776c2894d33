import numpy as np
import pytest

from models.data.event_types import EVENT_TYPES, type_index
from models.data.events import TYPE_WEIGHT, EventBatch


def test_every_type_has_an_index_and_a_weight() -> None:
    assert [type_index(name) for name in EVENT_TYPES] == list(range(len(EVENT_TYPES)))
    assert len(TYPE_WEIGHT) == len(EVENT_TYPES)
    assert (TYPE_WEIGHT > 0).all()


def test_unknown_type_is_other() -> None:
    assert EVENT_TYPES[type_index("teleport")] == "other"


def test_purchase_weighs_more_than_a_view_and_a_view_more_than_an_impression() -> None:
    purchase, view, impression = (TYPE_WEIGHT[type_index(name)] for name in ("purchase", "view", "impression"))
    assert purchase > view > impression


@pytest.mark.parametrize("user", [[1, 0], [0, 1, 0], [-1, 0]])
def test_events_that_are_not_grouped_by_user_are_refused(user: list[int]) -> None:
    same = np.zeros(len(user), dtype=np.int64)
    with pytest.raises(ValueError, match="grouped by user"):
        EventBatch(np.array(user), same, same, same)


def test_columns_of_different_length_are_refused() -> None:
    one, two = np.zeros(1, dtype=np.int64), np.zeros(2, dtype=np.int64)
    with pytest.raises(ValueError, match="one length"):
        EventBatch(two, one, two, two)
