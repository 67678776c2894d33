import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.errors import FolderInUseError, ReservedKeyError, StoreClosedError, StoreCorruptError, StoreError
from state.options import StoreMemory
from state.store import PartitionStore, read_rows

ROOT = Path(__file__).parents[3]

# Batch n writes n to every row and n as the position: whoever sees two values sees a torn batch.
WRITER = """
import sys
from pathlib import Path
from state.table import UserTable
with UserTable(Path(sys.argv[1])) as table:
    store = table.open(0)
    keys = [b"u%03d" % i for i in range(400)]
    n = store.position or 0
    while True:
        n += 1
        store.put_many(keys, [n.to_bytes(8, "big") * 128] * len(keys), position=n)
        print(n, flush=True)
"""

# The limit on file size stands in for the end of the disk.
FULL_DISK_WRITER = """
import resource, signal, sys
from pathlib import Path
from state.errors import StoreCorruptError, StoreError
from state.options import StoreMemory
from state.store import PartitionStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = PartitionStore(Path(sys.argv[1]) / "p", StoreMemory(16 << 20))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
n = 0
try:
    while n < 1000:
        store.put_many([b"a", b"b"], [(n + 1).to_bytes(8, "big") * 128] * 2, position=n + 1)
        n += 1
except StoreError as error:
    assert "raise the limit of file sizes" in str(error), error
    assert not isinstance(error, StoreCorruptError), error
    assert store.position == n, store.position
    print(n)
"""


# Whatever it opens when there are no more, its lock among them.
FEW_OPEN_FILES_WRITER = """
import os, resource, sys
from pathlib import Path
from state.errors import FolderInUseError, StoreError
from state.options import StoreMemory
from state.store import PartitionStore
memory = StoreMemory(16 << 20)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
limit = len(os.listdir("/dev/fd"))
refusals = []
while True:
    folder = Path(sys.argv[1]) / str(limit)
    folder.mkdir()
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        PartitionStore(folder / "p", memory)
        break
    except StoreError as error:
        assert not isinstance(error, FolderInUseError), error
        assert "raise the limit of open files" in str(error), error
        refusals.append(str(error))
    limit += 1
assert any("/LOCK: " in text for text in refusals), refusals
"""


def start_writer(folder: Path) -> "subprocess.Popen[str]":
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": "."},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline(), "the writer never wrote"
    return writer


@pytest.fixture
def memory() -> StoreMemory:
    return StoreMemory(16 << 20)


@pytest.fixture
def store(tmp_path: Path, memory: StoreMemory) -> Iterator[PartitionStore]:
    store = PartitionStore(tmp_path / "p", memory)
    yield store
    store.close()


def test_an_empty_store_has_no_position(store: PartitionStore) -> None:
    assert (store.position, store.changelog_id, store.offset_row) == (None, None, None)
    assert store.get_many([b"a", b"b"]) == [None, None]
    assert list(store.rows()) == []


def test_rows_come_back_in_the_order_asked_for(store: PartitionStore) -> None:
    store.put_many([b"b", b"a", b"b"], [b"1", b"2", b"3"], position=5)
    assert store.get_many([b"b", b"x", b"a", b"b"]) == [b"3", None, b"2", b"3"]
    assert store.get_many([]) == []


def test_none_deletes(store: PartitionStore) -> None:
    store.put_many([b"a", b"b"], [b"1", b"2"], position=1)
    store.put_many([b"a", b"absent"], [None, None], position=2)
    assert list(store.rows()) == [(b"b", b"2")]


def test_rows_are_those_of_users_in_key_order(store: PartitionStore) -> None:
    store.put_many([b"b", b"\x01", b"\xff"], [b"1", b"2", b"3"], position=1, changelog_id=b"id")
    assert list(store.rows()) == [(b"\x01", b"2"), (b"b", b"1"), (b"\xff", b"3")]


def test_position_id_and_offset_row_come_back_after_reopening(store: PartitionStore, memory: StoreMemory) -> None:
    store.put_many([b"a"], [b"1"], position=7, changelog_id=b"id")
    store.put_many([b"a"], [b"2"], position=8, offset_row=b"next: 4")
    store.put_many([], [], position=9)
    assert (store.position, store.changelog_id, store.offset_row) == (9, b"id", b"next: 4")
    store.close()
    again = PartitionStore(store.folder, memory)
    assert (again.position, again.changelog_id, again.offset_row) == (9, b"id", b"next: 4")
    assert again.get_many([b"a"]) == [b"2"]
    again.close()


@pytest.mark.parametrize("key", [b"", b"\0", b"\0progress"])
def test_a_reserved_key_is_refused_with_all_of_its_batch(store: PartitionStore, key: bytes) -> None:
    with pytest.raises(ReservedKeyError):
        store.put_many([b"a", key], [b"1", b"2"], position=1)
    assert store.position is None
    assert store.get_many([b"a"]) == [None]


def test_keys_and_values_of_different_number_are_refused(store: PartitionStore) -> None:
    with pytest.raises(ValueError, match="zip"):
        store.put_many([b"a", b"b"], [b"1"], position=1)
    assert store.position is None


def test_a_store_cannot_be_opened_twice(store: PartitionStore, memory: StoreMemory) -> None:
    with pytest.raises(FolderInUseError, match="already open"):
        PartitionStore(store.folder, memory)


def test_a_closed_store_says_so(store: PartitionStore) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreClosedError):
        store.get_many([b"a"])
    with pytest.raises(StoreClosedError):
        store.put_many([b"a"], [b"1"], position=1)
    with pytest.raises(StoreClosedError):
        list(store.rows())


def test_a_flipped_byte_in_a_row_is_found_on_reading(store: PartitionStore, memory: StoreMemory) -> None:
    keys = [b"u%04d" % i for i in range(1000)]
    store.put_many(keys, [random.randbytes(900) for _ in keys], position=1)
    store.close()
    (table_file,) = store.folder.glob("*.sst")
    damaged = bytearray(table_file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    table_file.write_bytes(damaged)
    again = PartitionStore(store.folder, memory)
    try:
        with pytest.raises(StoreCorruptError, match="delete this folder and start again"):
            again.get_many(keys)
        with pytest.raises(StoreCorruptError, match="delete this folder and start again"):
            list(again.rows())
    finally:
        again.close()


def test_a_full_disk_is_no_corruption_and_keeps_the_last_batch_written(tmp_path: Path, memory: StoreMemory) -> None:
    writer = subprocess.run(
        [sys.executable, "-c", FULL_DISK_WRITER, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "."},
        check=True,
    )
    written = int(writer.stdout)
    assert written > 0
    store = PartitionStore(tmp_path / "p", memory)
    assert store.position == written
    assert {value for _, value in store.rows()} == {written.to_bytes(8, "big") * 128}
    store.close()


def test_the_database_log_stays_small(store: PartitionStore, memory: StoreMemory) -> None:
    store.close()
    for _ in range(5):
        PartitionStore(store.folder, memory).close()
    logs = list(store.folder.glob("LOG*"))
    assert len(logs) == 1
    assert logs[0].stat().st_size < 100_000


def test_a_killed_process_loses_no_batch_and_tears_none(tmp_path: Path, memory: StoreMemory) -> None:
    folder = tmp_path / "partition-0"
    reached = 0
    for attempt in range(8):
        writer = start_writer(tmp_path)
        assert writer.stdout is not None
        time.sleep(0.02 * attempt)  # killed at another point each time
        writer.kill()
        printed = [int(line) for line in writer.stdout.read().splitlines() if line.strip()]
        writer.wait()
        writer.stdout.close()
        store = PartitionStore(folder, memory)
        assert store.position is not None
        assert store.position >= max(printed[:-1], default=reached + 1)  # the last line may be cut short
        values = {value for _, value in store.rows()}
        assert values == {store.position.to_bytes(8, "big") * 128}
        assert len(list(store.rows())) == 400
        reached = store.position
        store.close()


@pytest.mark.slow
def test_another_process_reads_while_the_owner_writes(tmp_path: Path) -> None:
    writer = start_writer(tmp_path)
    try:
        seen: list[int] = []
        deadline = time.monotonic() + 60
        while len(seen) < 10 or seen[-1] == seen[0]:
            assert time.monotonic() < deadline, "the reader never saw the writer's progress"
            rows = dict(read_rows(tmp_path / "partition-0"))
            assert len(rows) == 400
            assert len(set(rows.values())) == 1, "a batch was seen half"
            seen.append(int.from_bytes(rows[b"u000"][:8], "big"))
            time.sleep(0.05)  # the writer goes on meanwhile
        assert seen == sorted(seen)
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
        assert writer.stdout is not None
        writer.stdout.close()


def test_a_reader_changes_nothing_in_the_store(store: PartitionStore) -> None:
    store.put_many([b"a"], [b"1"], position=1)
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}
    assert list(read_rows(store.folder)) == [(b"a", b"1")]
    assert {path.name: path.read_bytes() for path in store.folder.iterdir()} == before


def test_reading_where_no_store_is_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no store"):
        list(read_rows(tmp_path))


def test_too_many_open_files_are_not_another_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FEW_OPEN_FILES_WRITER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
