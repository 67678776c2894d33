"""rocksdict: bulk reads, atomic batches, order and locks, as the partition store leans on them."""

from pathlib import Path

import pytest
from rocksdict import AccessType, DbClosedError, Options, Rdict, WriteBatch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "db"


def opened(folder: Path) -> Rdict:
    return Rdict(str(folder), Options(raw_mode=True))


def test_a_bulk_read_answers_in_the_order_of_its_keys(folder: Path) -> None:
    """`get(list)`: one value per key, None where there is none, a key that repeats twice; rows are matched by index.

    When it fails: users get each other's rows; match by key before anything else.
    """
    db = opened(folder)
    db.put(b"b", b"2")
    db.put(b"a", b"1")
    assert db.get([b"b", b"missing", b"a", b"b"]) == [b"2", None, b"1", b"2"]
    assert db.get([]) == []
    assert isinstance(db.get(b"a"), bytes)
    db.close()


def test_a_raw_batch_is_written_in_order_and_whole(folder: Path) -> None:
    """Rows and position go in one WriteBatch; of a key that repeats the last word counts, deletes included.

    When it fails: rows and position may part; the changelog position cannot be trusted after a kill.
    """
    db = opened(folder)
    db.put(b"gone", b"0")
    batch = WriteBatch(raw_mode=True)
    batch.put(b"a", b"1")
    batch[b"a"] = b"2"
    batch.delete(b"gone")
    batch.put(b"back", b"1")
    batch.delete(b"back")
    assert db.get([b"a", b"gone"]) == [None, b"0"], "nothing before the write"
    db.write(batch)
    assert db.get([b"a", b"gone", b"back"]) == [b"2", None, None]
    db.close()


def test_a_batch_without_raw_mode_is_refused(folder: Path) -> None:
    """Raw mode writes the bytes as they are; a batch of the other mode would write keys that no read finds.

    When it fails: modes may be mixed unnoticed; check that every batch is raw.
    """
    db = opened(folder)
    batch = WriteBatch()
    batch[b"a"] = b"1"
    with pytest.raises(Exception, match="raw_mode=True"):
        db.write(batch)
    db.close()


def test_keys_come_in_the_order_of_their_bytes(folder: Path) -> None:
    """Reserved keys begin with the byte 0 and come first, so that a scan of users starts behind them.

    When it fails: `rows()` shows reserved keys as users.
    """
    db = opened(folder)
    for key in (b"\xff", b"b", b"\x00position", b"a", b"aa", b"\x01"):
        db.put(key, b"")
    assert list(db.keys()) == [b"\x00position", b"\x01", b"a", b"aa", b"b", b"\xff"]
    cursor = db.iter()
    cursor.seek(b"\x01")
    assert cursor.key() == b"\x01"
    db.close()


def test_a_database_has_one_writer_and_any_readers(folder: Path) -> None:
    """A second opening fails on RocksDB's own lock, while a read-only one takes none; closing frees it.

    When it fails: two workers may write one store, or a look into a live one disturbs it.
    """
    db = opened(folder)
    db.put(b"a", b"1")
    with pytest.raises(Exception, match=r"(?i)lock"):
        opened(folder)
    reader = Rdict(str(folder), Options(raw_mode=True), access_type=AccessType.read_only(False))
    assert reader.get([b"a"]) == [b"1"]
    reader.close()
    db.close()
    with pytest.raises(DbClosedError):
        db.get([b"a"])
    again = opened(folder)
    assert again.get([b"a"]) == [b"1"]
    again.close()
