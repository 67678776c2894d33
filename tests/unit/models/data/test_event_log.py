import numpy as np

from models.data.event_log import EventLog


def test_a_batch_is_grouped_by_user_in_the_order_of_the_stream() -> None:
    events = EventLog(
        user=np.array([7, 3, 7, 3, 9]),
        item=np.array([1, 2, 3, 4, 5]),
        time_ms=np.arange(5) * 1000,
        type=np.ones(5, np.int64),
        value=np.array([1.0, np.nan, 3.0, 4.0, 5.0]),
        text=np.array(["a", "", "c", "", "e"], dtype=np.object_),
    )
    grouped = events.grouped()
    assert grouped.users.tolist() == [3, 7, 9]
    assert grouped.batch.user.tolist() == [0, 0, 1, 1, 2]
    assert grouped.batch.item.tolist() == [2, 4, 1, 3, 5]
    assert grouped.batch.text == ["", "", "a", "c", "e"]
    np.testing.assert_array_equal(events.item[grouped.order], grouped.batch.item)
    assert grouped.batch.value is not None
    np.testing.assert_array_equal(grouped.batch.value, np.array([np.nan, 4, 1, 3, 5], np.float32))
    assert events[1:3].item.tolist() == [2, 3]
