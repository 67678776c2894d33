import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from state.options import StoreMemory
from state.store import PartitionStore

KEYS = st.binary(min_size=1, max_size=3).filter(lambda key: key[0] != 0)
BATCHES = st.lists(
    st.tuples(st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=40)), max_size=8), st.booleans()), max_size=8
)


@settings(max_examples=40, deadline=None)
@given(BATCHES)
def test_a_store_is_a_dictionary_that_outlives_reopening(
    batches: list[tuple[list[tuple[bytes, bytes | None]], bool]],
) -> None:
    memory = StoreMemory(8 << 20)
    model: dict[bytes, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = PartitionStore(Path(folder) / "p", memory)
        for position, (writes, reopen) in enumerate(batches, 1):
            store.put_many([key for key, _ in writes], [value for _, value in writes], position)
            for key, value in writes:
                if value is None:
                    model.pop(key, None)
                else:
                    model[key] = value
            if reopen:
                store.close()
                store = PartitionStore(Path(folder) / "p", memory)
            assert store.position == position
            asked = sorted({key for batch, _ in batches for key, _ in batch})
            assert store.get_many(asked) == [model.get(key) for key in asked]
            assert list(store.rows()) == sorted(model.items())
        store.close()
