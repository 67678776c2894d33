from models.items.slots import Assigned, ItemSlots, Registration


def test_without_evictions_slots_are_indices() -> None:
    slots = ItemSlots()
    assert [slots.register(name, Registration()) for name in "aba"] == [Assigned(1, None), Assigned(2, None), None]
    assert slots.ids == ["", "a", "b"]
    assert (slots.slot("b"), slots.slot("c"), slots.registered, slots.evicted) == (2, None, 2, 0)


def test_in_a_full_register_the_first_candidate_that_has_a_slot_gives_it() -> None:
    slots = ItemSlots()
    for name in "abc":
        slots.register(name, Registration(3, [1]))  # candidates do not matter while there is room
    assert slots.register("d", Registration(3, [2, 1])) == Assigned(2, "b")
    assert slots.register("e", Registration(3, [2, 99, -1, 0, 1])) == Assigned(1, "a")
    assert slots.register("f", Registration(3, [1, 2])) is None
    assert slots.register("f", Registration(3)) is None
    assert slots.ids == ["", "e", "d", "c"]
    assert (slots.slot("a"), slots.slot("e"), len(slots), slots.registered) == (None, 1, 3, 5)


def test_an_evicted_item_comes_back_with_another_index() -> None:
    slots = ItemSlots()
    for name, candidates in (("a", []), ("b", [1]), ("a", [2])):
        slots.register(name, Registration(1, candidates))
    assert slots.slot("a") == 1
    assert slots.index_of_slot[1] == slots.registered == 3
    assert slots.register("c", Registration(1, [1])) is None  # its first index has no slot any more


def test_more_room_is_used_before_anything_else_is_evicted() -> None:
    slots = ItemSlots()
    for name in "ab":
        slots.register(name, Registration(1, [1]))
    assert slots.register("c", Registration(2, [2])) == Assigned(2, None)
    assert slots.register("d", Registration(1, [2])) == Assigned(1, "b")  # a writer with less room takes none away
    assert len(slots) == 2


def test_memory_is_bounded_by_the_slots_but_for_four_bytes_per_registration() -> None:
    slots = ItemSlots()
    for number in range(5000):
        slots.register(f"i{number}", Registration(50, [slots.registered - 49]))
    assert len(slots) == len(slots._slots) == 50
    assert sorted(slots.ids[1:]) == sorted(f"i{number}" for number in range(4950, 5000))
    assert slots.slot_of_index.itemsize == 4
    assert slots.registered == 5000
