import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from models.errors import UnknownItemError
from models.items.register import ItemRegister
from models.items.slots import Registration


def full_register() -> ItemRegister:
    """Slots of c, b; a had the first."""
    register = ItemRegister()
    for name, candidates in (("a", []), ("b", []), ("c", [1])):
        register.apply(name, Registration(2, candidates))
    return register


def test_indices_are_slots_until_an_item_is_evicted() -> None:
    register = ItemRegister()
    for name in "ab":
        register.apply(name, Registration(2))
    index = np.array([[2, 0], [1, 9]])
    assert register.slots(index) is index
    assert register.indices(index) is index
    assert register.taken_over(0)[1].tolist() == []


def test_slots_of_indices_and_back() -> None:
    register = full_register()
    index = np.array([[0, 1], [2, 3]], np.uint32)
    assert register.slots(index).tolist() == [[0, 0], [2, 1]]
    assert register.slots(index).dtype == np.uint32
    assert register.indices(np.array([1, 2, 0])).tolist() == [3, 2, 0]


def test_an_index_that_is_not_registered_is_an_error() -> None:
    with pytest.raises(UnknownItemError, match="item index 4 is used, but 3"):
        full_register().slots(np.array([4]))


def test_slots_taken_over_since_are_known_to_who_has_read_less() -> None:
    register = full_register()
    assert register.taken_over(2)[0] == register.count == 3
    assert register.taken_over(2)[1].tolist() == [1]
    assert register.taken_over(3)[1].tolist() == []
    register.apply("d", Registration(2, [2]))
    register.apply("e", Registration(2, [3]))
    register.apply("f", Registration(2, [5]))
    assert register.taken_over(3)[1].tolist() == [1, 2]
    assert register.taken_over(5)[1].tolist() == [1]


def test_a_newcomer_was_seen_when_it_was_registered() -> None:
    register = full_register()
    register.apply("d", Registration(2, [2], time_ms=70))
    register.mark_seen(["c", "gone"], 60)
    assert register.last_seen_ms(np.array([0, 1, 2])).tolist() == [0, 60, 70]
    register.put_last_seen(np.array([1, 2]), np.array([65, 65]))
    assert register.last_seen_ms(np.array([1, 2])).tolist() == [65, 70]


def test_it_may_be_read_while_it_grows() -> None:
    register, done = full_register(), threading.Event()

    def read() -> None:
        while not done.is_set():
            index = register.indices(np.array([1, 2]))
            assert (index > 0).all()
            register.slots(index)
            register.taken_over(1)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for number in range(20_000):
            register.apply(f"i{number}", Registration(2, [register.count]))
        done.set()
        reading.result()
    assert register.count == 20_003
