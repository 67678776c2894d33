import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from state.errors import FolderInUseError, StoreClosedError, StoreCorruptError
from state.table import UserTable, partition_folder

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys, time
from pathlib import Path
from state.table import UserTable
with UserTable(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)  # until it is killed
"""


def fill(folder: Path, partition: int = 3, batches: int = 4) -> None:
    """A closed store of 50 users."""
    with UserTable(folder) as table:
        store = table.open(partition)
        for n in range(1, batches + 1):
            store.put_many(
                [b"u%d" % i for i in range(50)],
                [random.randbytes(900) for _ in range(50)],
                position=n,
                changelog_id=b"id",
            )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_partitions_are_kept_apart(tmp_path: Path) -> None:
    with UserTable(tmp_path) as table:
        one, two = table.open(1), table.open(2)
        one.put_many([b"a"], [b"1"], position=1)
        assert two.get_many([b"a"]) == [None]
        assert (one.position, two.position) == (1, None)
    assert partition_folder(tmp_path, 1).is_dir()


def test_a_partition_can_be_given_away_and_taken_again(tmp_path: Path) -> None:
    with UserTable(tmp_path) as table:
        table.open(1).put_many([b"a"], [b"1"], position=1)
        with pytest.raises(FolderInUseError, match="already open in this process"):
            table.open(1)
        table.close_partition(1)
        table.close_partition(1)
        assert table.open(1).get_many([b"a"]) == [b"1"]


def test_all_partitions_can_be_given_away_at_once(tmp_path: Path) -> None:
    with UserTable(tmp_path) as table:
        stores = [table.open(1), table.open(2)]
        table.close_partitions()
        for store in stores:
            with pytest.raises(StoreClosedError):
                store.get_many([b"a"])
        with pytest.raises(FolderInUseError):
            UserTable(tmp_path)
        table.open(2)


def test_discard_leaves_an_empty_store(tmp_path: Path) -> None:
    fill(tmp_path)
    with UserTable(tmp_path) as table:
        table.open(3)
        store = table.discard(3)
        assert (store.position, store.changelog_id, list(store.rows())) == (None, None, [])
        assert table.discard(4).position is None
        assert table.quarantined == []


def test_a_second_table_in_this_process_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    with UserTable(tmp_path) as table, pytest.raises(FolderInUseError, match=f"process {os.getpid()}"):
        UserTable(tmp_path)
    table.close()
    UserTable(tmp_path).close()


def test_another_process_is_named_and_its_death_frees_the_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, env={"PYTHONPATH": "."}
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(FolderInUseError, match=rf"in use by process {holder.pid}: .*worker\.data_dir"):
        UserTable(tmp_path)
    holder.kill()
    holder.wait()
    holder.stdout.close()
    UserTable(tmp_path).close()


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("CURRENT", flip),
        ("CURRENT", cut),
        ("CURRENT", Path.unlink),
        ("MANIFEST-*", flip),
        ("MANIFEST-*", Path.unlink),
        ("*.sst", cut),
        ("*.sst", Path.unlink),
    ],
)
def test_a_damaged_store_is_set_aside_and_an_empty_one_opened(
    tmp_path: Path, pattern: str, damage: Callable[[Path], None]
) -> None:
    fill(tmp_path)
    (victim,) = partition_folder(tmp_path, 3).glob(pattern)
    damage(victim)
    with UserTable(tmp_path) as table:
        store = table.open(3)
        assert (store.position, list(store.rows())) == (None, [])
        (aside,) = table.quarantined
        assert re.fullmatch(r"partition-3\.corrupt-\d{8}T\d{6}\.\d{6}Z", aside.name)
        assert (aside / "IDENTITY").exists()
        store.put_many([b"a"], [b"1"], position=1)
    with UserTable(tmp_path) as table:
        assert table.open(3).position == 1
        assert table.quarantined == []


def test_what_remains_of_a_killed_creation_is_no_damage(tmp_path: Path) -> None:
    folder = partition_folder(tmp_path, 3)
    folder.mkdir()
    (folder / "LOCK").touch()
    (folder / "IDENTITY").write_text("begun")
    with UserTable(tmp_path) as table:
        assert table.open(3).position is None
        assert table.quarantined == []


def test_damage_found_on_reading_is_cured_by_discard(tmp_path: Path) -> None:
    fill(tmp_path)
    (victim,) = partition_folder(tmp_path, 3).glob("*.sst")
    flip(victim)
    with UserTable(tmp_path) as table:
        store = table.open(3)
        with pytest.raises(StoreCorruptError):
            store.get_many([b"u%d" % i for i in range(50)])
        assert table.discard(3).get_many([b"u1"]) == [None]


def test_any_single_damage_is_noticed_or_leaves_rows_and_position_of_one_moment(tmp_path: Path) -> None:
    """A process killed while it writes leaves logs, table files and MANIFEST in all stages.

    Not claimed for a deleted log: RocksDB deletes logs itself, and nothing tells the one case from the other.
    """
    origin = tmp_path / "origin"
    child = subprocess.run(
        [sys.executable, "-c", DIES_WHILE_WRITING, str(origin)], cwd=ROOT, check=False, env={"PYTHONPATH": "."}
    )
    assert child.returncode == 9
    outcomes = set()
    for name in sorted(path.name for path in partition_folder(origin, 0).iterdir()):
        for damage in (flip, cut, Path.unlink):
            copy = tmp_path / f"{name}-{damage.__name__}"
            shutil.copytree(origin, copy)
            victim = partition_folder(copy, 0) / name
            if victim.stat().st_size and not (victim.suffix == ".log" and damage is Path.unlink):
                damage(victim)
            outcomes.add(open_damaged(copy))
    assert {"whole", "quarantined"} <= outcomes <= {"whole", "earlier", "quarantined", "corrupt"}


BATCHES, USERS, PER_BATCH = 61, 1500, 50
DIES_WHILE_WRITING = f"""
import os, random, sys
from pathlib import Path
import state.options
state.options.WRITE_BUFFER_BYTES = 1 << 20
from state.table import UserTable
store = UserTable(Path(sys.argv[1])).open(0)
for n in range({BATCHES}):
    keys = [b"u%04d" % ((n * {PER_BATCH} + i) % {USERS}) for i in range({PER_BATCH})]
    store.put_many(keys, [b"%08d" % n + random.randbytes(900) for _ in keys], position=n + 1)
os._exit(9)
"""


def open_damaged(folder: Path) -> str:
    try:
        with UserTable(folder) as table:
            store = table.open(0)
            if table.quarantined:
                return "quarantined"
            rows = {key: int(value[:8]) for key, value in store.rows()}
            position = store.position or 0
    except StoreCorruptError:
        return "corrupt"
    expected = {
        b"u%04d" % ((n * PER_BATCH + i) % USERS): n for n in range(position) for i in range(PER_BATCH)
    }  # later batches overwrite
    assert rows == expected
    return "whole" if position == BATCHES else "earlier"
