import numpy as np
import pytest

from streams.demo.next_item_ranks import NextItemRanks
from streams.files.formats.log_error import LogError
from streams.files.logged_event import LoggedEvent
from tests.unit.streams.demo.test_metrics import events, prediction


def test_an_item_has_its_place_in_the_users_previous_prediction() -> None:
    ranks = NextItemRanks(events("b x", "b y", "a y", "a x", "b x"))
    assert ranks.add(prediction(2, "a", "y", "z", "x"))
    assert ranks.add(prediction(1, "b", "y"))
    assert ranks.rank.tolist() == [np.inf, np.inf, np.inf, 3, np.inf]


def test_the_first_appearance_of_an_item_has_no_rank() -> None:
    ranks = NextItemRanks(events("a x", "a y"))
    ranks.add(prediction(0, "a", "y"))
    assert ranks.rank.tolist() == [np.inf, np.inf]


def test_a_second_prediction_of_an_event_changes_nothing() -> None:
    ranks = NextItemRanks(events("a x", "a x"))
    assert ranks.add(prediction(0, "a", "x"))
    assert not ranks.add(prediction(0, "a", "y"))
    assert ranks.rank.tolist() == [np.inf, 1]


def test_the_last_part_leaves_out_events_without_an_item() -> None:
    log = [*events(*["a x"] * 8), LoggedEvent("a", "", 8, "search", "e8"), LoggedEvent("a", "x", 9, "view", "e9")]
    ranks = NextItemRanks(log)
    ranks.add(prediction(6, "a", "x"))
    ranks.add(prediction(8, "a", "y", "x"))
    assert ranks.last_part(0.3).tolist() == [1, 2]


def test_events_that_are_the_same_twice_are_an_error() -> None:
    with pytest.raises(LogError, match="twice"):
        NextItemRanks([*events("a x"), *events("a x")])
