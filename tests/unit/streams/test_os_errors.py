"""Errors of the operating system, in words of an operator."""

import errno
import os
import resource
from pathlib import Path

import pytest

from streams.cli.command_group import explain
from streams.files.synthetic import synthesize, write_files
from streams.os_errors import check_open_files, os_error_cure, raise_file_limit
from streams.settings.source import CommandLine


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left for /data/users: free some"),
        (errno.EROFS, "/data/users is on a file system that is mounted read-only"),
        (errno.EACCES, "/data/users cannot be used by user"),
        (errno.EEXIST, "/data/users can be no folder, as a file is in its place: move that, or set worker.data_dir"),
        (errno.EMFILE, "too many open files: this process may have"),
    ],
)
def test_each_has_a_cure_in_one_line(number: int, words: str) -> None:
    cure = os_error_cure(OSError(number, os.strerror(number), "/data/users"))
    assert cure is not None
    assert cure.startswith(words)
    assert "\n" not in cure
    line = CommandLine(overrides=["worker.data_dir=/data"])
    line.settings()
    assert explain(OSError(number, os.strerror(number), "/data/users"), line) == cure


def test_a_full_disk_under_the_output_of_a_command_is_not_that_of_the_data_folder() -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert explain(full, None) == "no space is left for the output of this command: free some, or name another place"
    with pytest.raises(OSError, match="No space left") as caught:
        write_files(synthesize(10, 2, 12, 0), Path("/dev/full"), None)
    assert explain(caught.value, None) == "no space is left for /dev/full: free some, or name another place"


@pytest.mark.parametrize("section", ["worker", "policy", "web"])
def test_a_file_above_a_data_folder_has_the_cure_of_the_folder(section: str) -> None:
    line = CommandLine(overrides=[f"{section}.data_dir=/file/data"])
    line.settings()
    for path in ("/file", "/file/data/view"):
        cure = explain(OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path), line)
        assert cure is not None
        assert cure.startswith(f"{path} can be no folder, as a file is in its place")


def test_others_are_left_to_say_what_they_say() -> None:
    assert os_error_cure(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None


def test_the_owner_of_a_folder_of_somebody_else_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.os_errors.os.geteuid", lambda: tmp_path.stat().st_uid + 1)
    cure = os_error_cure(PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "users" / "lock")))
    assert cure is not None
    assert f"({tmp_path} belongs to " in cure


def test_the_limit_of_open_files_becomes_the_hard_one() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lower = min(soft, 1024)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lower, hard))
        assert raise_file_limit() in (hard, lower)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] in (hard, lower)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_more_open_files_are_an_error_of_this_process() -> None:
    check_open_files()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            check_open_files()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
