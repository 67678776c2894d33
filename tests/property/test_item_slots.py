"""Slots follow from the records of the register alone, whatever these say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.items.register import ItemRegister
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary

_records = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.builds(
            Registration,
            st.one_of(st.none(), st.integers(1, 4)),
            st.lists(st.integers(-1, 12), max_size=4),
            st.integers(0, 5),
        ),
    ),
    max_size=30,
)


@given(_records)
@settings(max_examples=150, deadline=None)
def test_every_reader_finds_the_same_slots(records: list[tuple[str, Registration]]) -> None:
    register, holders, ids = ItemRegister(), dict[str, int](), [""]
    for item_id, registration in records:
        slots_before, held_before = len(register), dict(holders)
        assigned = register.apply(item_id, registration)
        if assigned is not None:
            ids.append(item_id)
            if assigned.evicted is not None:
                del holders[assigned.evicted]
            holders[item_id] = register.count
        # None is rejected while there is room or a candidate that has a slot, and none has two slots.
        room = registration.capacity is None or slots_before < registration.capacity
        could_evict = bool(set(registration.candidates) & set(held_before.values()))
        assert (assigned is not None) == (item_id not in held_before and (room or could_evict))
        assert len(register) == len(holders) == len(set(register.ids[1:]))
    index = np.arange(register.count + 1)
    slot = register.slots(index)
    assert {ids[number]: number for number in index[slot > 0].tolist()} == holders
    assert register.indices(slot[slot > 0]).tolist() == index[slot > 0].tolist()
    again = ItemRegister()
    for record in records:
        again.apply(*record)
    assert again.ids == register.ids
    for since in range(register.count + 1):
        # Who has read less begins anew with every slot whose item is another one now.
        known = [record for number, record in _applied(records) if number <= since]
        then = ItemRegister()
        for record in known:
            then.apply(*record)
        changed = {s for s in range(1, len(then) + 1) if then.ids[s] != register.ids[s]}
        assert changed <= set(register.taken_over(since)[1].tolist())


def _applied(records: list[tuple[str, Registration]]) -> list[tuple[int, tuple[str, Registration]]]:
    """The records that had an effect, numbered."""
    register = ItemRegister()
    return [(register.count, record) for record in records if register.apply(*record) is not None]


@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=4, unique=True), min_size=1, max_size=25))
@settings(max_examples=100, deadline=None)
def test_a_writer_gives_every_item_of_a_batch_a_slot(batches: list[list[int]]) -> None:
    capacity = 6
    items = ItemVocabulary(capacity)
    for time_ms, batch in enumerate(batches):
        names = [f"i{number}" for number in batch]
        unknown = [name for name in names if items.slot(name) is None]
        for name, registration in zip(unknown, items.registrations(len(unknown), names), strict=True):
            items.apply(name, registration)
        items.register.mark_seen(names, time_ms + 1)
        assert all(items.slot(name) for name in names)
        assert len(items) <= capacity
    last = {f"i{number}": time for time, batch in enumerate(batches) for number in batch}
    kept = set(items.ids(capacity))
    assert min(last[name] for name in kept) >= max((last[name] for name in last.keys() - kept), default=0)
