from pathlib import Path

from state.file_sizes import file_sizes, find_shortened, pack_sizes, unpack_sizes


def test_only_manifest_and_log_files_are_measured(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST-000005").write_bytes(bytes(7))
    (tmp_path / "000004.log").write_bytes(bytes(3))
    (tmp_path / "000009.sst").write_bytes(bytes(5))
    (tmp_path / "LOG").write_bytes(bytes(5))
    assert file_sizes(tmp_path) == {(True, 5): 7, (False, 4): 3}
    assert file_sizes(tmp_path / "absent") == {}


def test_sizes_survive_packing() -> None:
    sizes = {(True, 5): 7, (False, 4): 0}
    assert unpack_sizes(pack_sizes(sizes)) == sizes


def test_growth_and_flushed_logs_are_no_fault() -> None:
    sizes = {(True, 5): 7, (False, 4): 3}
    assert find_shortened(sizes, {(True, 5): 7, (False, 4): 9}) is None
    assert find_shortened(sizes, {(True, 5): 8, (False, 6): 0}) is None
    assert find_shortened(sizes, {(True, 9): 1}) is None


def test_a_shorter_file_is_a_fault() -> None:
    sizes = {(True, 5): 7, (False, 4): 3}
    assert find_shortened(sizes, {(True, 5): 6, (False, 4): 3}) == "MANIFEST 5 has 6 bytes and had 7"
    assert find_shortened(sizes, {(True, 5): 7, (False, 4): 2}) == "log 4 has 2 bytes and had 3"
