"""Folders of stores."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from state.errors import StoreError

_OF_THE_PATH: Final = (errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL)


def make_folder(folder: Path, setting: str = "worker.data_dir (policy.data_dir, web.data_dir)") -> None:
    """Makes the folder, with those above it, where it is not there.

    Raises StoreError where no such folder can be made; other OSErrors (no space, no permission) as they are.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno not in _OF_THE_PATH:
            raise
        raise StoreError(
            f"no folder {folder} can be made ({error.strerror}): set {setting} to another place"
        ) from error
