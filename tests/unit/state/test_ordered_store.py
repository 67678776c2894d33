from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.errors import FolderInUseError, StoreClosedError, StoreCorruptError
from state.options import StoreMemory
from state.ordered_store import OrderedStore, set_aside

MEMORY = StoreMemory(4 << 20)


def test_a_batch_changes_all_or_nothing_and_survives_closing(tmp_path: Path) -> None:
    store = OrderedStore(tmp_path / "view", MEMORY)
    store.write({b"a": b"1", b"b": b"2", b"c": b"3"})
    store.write({b"a": None, b"b": b"4"})
    store.close()
    store.close()
    with pytest.raises(StoreClosedError):
        store.get(b"b")
    store = OrderedStore(tmp_path / "view", MEMORY)
    assert store.get_many([b"a", b"b", b"c"]) == [None, b"4", b"3"]
    with pytest.raises(FolderInUseError):
        OrderedStore(tmp_path / "view", MEMORY)
    store.delete_prefix(b"b")
    assert list(store.scan(b""))[-1:] == [(b"c", b"3")]
    store.close()


@settings(max_examples=30)
@given(
    st.sets(st.text("ab\x7fé", max_size=3).map(lambda text: text.encode())),
    st.text("ab", max_size=1).map(lambda text: text.encode()),
    st.none() | st.text("abé", max_size=3).map(lambda text: text.encode()),
    st.none() | st.text("abé", max_size=3).map(lambda text: text.encode()),
    st.booleans(),
)
def test_a_scan_is_a_slice_of_the_sorted_keys(
    tmp_path_factory: pytest.TempPathFactory,
    ids: set[bytes],
    prefix: bytes,
    after: bytes | None,
    before: bytes | None,
    reverse: bool,
) -> None:
    store = OrderedStore(tmp_path_factory.mktemp("scan"), MEMORY)
    keys = sorted(b"k" + id_ for id_ in ids)
    store.write({key: key for key in keys} | {b"j": b"", b"l": b""})
    low = b"k" + after if after is not None and after.startswith(prefix) else b""
    high = b"k" + before if before is not None and before.startswith(prefix) else b""
    scanned = [key for key, _ in store.scan(b"k" + prefix, low, before=high, reverse=reverse)]
    expected = [
        key for key in keys if key.startswith(b"k" + prefix) and (not low or key > low) and (not high or key < high)
    ]
    assert scanned == (expected[::-1] if reverse else expected)
    store.close()


def test_a_damaged_store_is_refused_and_set_aside(tmp_path: Path) -> None:
    folder = tmp_path / "view"
    store = OrderedStore(folder, MEMORY)
    store.write({b"a": b"1"})
    store.close()
    (folder / "CURRENT").unlink()
    with pytest.raises(StoreCorruptError, match="is damaged"):
        OrderedStore(folder, MEMORY)
    first = set_aside(folder)
    assert first.is_dir()
    OrderedStore(folder, MEMORY).close()
    second = set_aside(folder)
    assert [path.name for path in tmp_path.iterdir()] == [second.name]  # one is kept
