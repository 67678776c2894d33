"""Errors of the machine, each with what an operator does: no space, no permission, too many open files."""

from __future__ import annotations

import errno
import os
import pwd
import resource
from pathlib import Path


def os_error_cure(error: OSError, *, of_output: bool = False) -> str | None:
    """One line for an error of the operating system; None for one that says enough, or that is a bug.

    `of_output`: it is of what a command writes or reads, and not of a process's data_dir.
    """
    path = None if error.filename is None else os.fsdecode(error.filename)
    where = path or ("the output of this command" if of_output else "the data folder")
    other_place = "name another place" if of_output else "set worker.data_dir (policy.data_dir, web.data_dir)"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left for {where}: free some, or {other_place}{'' if of_output else ' to a larger disk'}"
    if error.errno == errno.EROFS:
        return f"{where} is on a file system that is mounted read-only: mount it writable, or {other_place}"
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and not of_output:
        return f"{where} can be no folder, as a file is in its place: move that, or {other_place}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return (
            f"{where} cannot be used by user {_user(os.geteuid())}{_owner(path)}: change its owner or permissions, or "
            f"{other_place}"
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        return (
            f"too many open files: this process may have {soft} (at most {hard}); raise the limit, with "
            "`ulimit -n 65536`, LimitNOFILE= of its systemd unit or --ulimit nofile= of its container"
        )
    return None


def check_open_files() -> None:
    """Raises OSError where this process can open no more files: clients take that for a broker that is away."""
    os.close(os.open(os.devnull, os.O_RDONLY))


def raise_file_limit() -> int:
    """Raises this process's limit of open files to the hard one; the limit now.

    RocksDB keeps its files open, and shells begin with 1024, or 256 on macOS.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # macOS says that there is no limit, and takes none
            return soft
    return hard


def _owner(path: str | None) -> str:
    """The owner of the nearest folder that exists, where it is somebody else."""
    if path is None:
        return ""
    for folder in (Path(path), *Path(path).parents):
        try:
            owner = folder.stat().st_uid
        except OSError:
            continue
        return "" if owner == os.geteuid() else f" ({folder} belongs to {_user(owner)})"
    return ""


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
