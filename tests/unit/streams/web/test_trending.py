import pytest

from streams.web.api.trending import _changes


def test_a_change_is_the_difference_to_what_was_kept_then() -> None:
    changes = _changes(["a", "b", "c"], [0.5, 0.3, 0.1], ["b", "a", "d"], [0.6, 0.2, 0.1], 1000)
    assert [(change.id_, change.before) for change in changes] == [("a", 0.2), ("b", 0.6), ("c", None), ("d", 0.1)]
    assert [change.change for change in changes] == pytest.approx([0.3, -0.3, 0.1, -0.1])


def test_what_was_not_kept_had_at_most_the_smallest_share_that_was() -> None:
    changes = _changes(["a", "c"], [0.5, 0.15], ["a", "b"], [0.5, 0.1], 2)
    assert [(change.id_, change.before) for change in changes] == [("a", 0.5), ("c", None)]
    assert [change.change for change in changes] == pytest.approx([0.0, 0.05])
