from collections.abc import Callable
from pathlib import Path

import pytest

from state.errors import StoreError
from state.folders import make_folder
from state.options import StoreMemory
from state.ordered_store import OrderedStore
from state.store import PartitionStore
from state.table import UserTable

MEMORY = StoreMemory(4 << 20)


@pytest.mark.parametrize(
    "opened", [make_folder, UserTable, lambda f: OrderedStore(f, MEMORY), lambda f: PartitionStore(f, MEMORY)]
)
@pytest.mark.parametrize("path", ["x" * 300 + "/users/store", "circle/users/store", "/proc/nowhere/users/store"])
def test_a_folder_that_cannot_be_made_is_named_in_one_line(
    tmp_path: Path, opened: Callable[[Path], object], path: str
) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    if path.startswith("/proc") and not Path("/proc").exists():
        pytest.skip("no /proc here")
    with pytest.raises(StoreError, match=r"set worker\.data_dir") as caught:
        opened(tmp_path / path)
    assert "\n" not in str(caught.value)


def test_a_file_in_its_place_is_left_to_those_who_have_a_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        make_folder(tmp_path / "file" / "users")
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
