"""Checkpoints in a folder or an object store: any place that fsspec reaches, so that every trainer of a group has them.

STORE/
    weights-00000123/   checkpoints of the trainer, the newest three (models/checkpoint.py)
    candidates/         checkpoints of other trainings that are to be tried
    requests/           what the trainer is asked to do: one file each, until it has taken it
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import fsspec
from fsspec.implementations.local import LocalFileSystem

from streams.errors import StoreError

_MANIFEST: Final = "manifest.json"
_PREFIX: Final = "weights-"
_KEEP: Final = 3

_REQUESTS: Final = "requests"

CANDIDATES: Final = "candidates"

Action = Literal["promote", "rollback"]


class Request(NamedTuple):
    """What the trainer is asked to do."""

    action: Action
    name: str  # of a candidate, or of a checkpoint to go back to


class CheckpointStore:
    """For one process at a time that writes. Raises StoreError where the place cannot be reached."""

    def __init__(self, url: str) -> None:
        """`url` is a folder or, as fsspec spells it, s3://bucket/folder and the like."""
        self.url = url
        try:
            self._files, self._root = fsspec.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise StoreError(f"{url}: {error}") from error

    @property
    def local_folder(self) -> Path | None:
        """The folder, where it is one of this machine."""
        return Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def manifests(self, folder: str = "") -> dict[str, dict[str, Any]]:
        """The manifests of the checkpoints in the folder by their names, newest first; incomplete ones are left out."""
        place = self._path(folder)
        try:
            self._files.invalidate_cache()
            names = [entry.rpartition("/")[2] for entry in self._list(place)]
            manifests = {}
            for name in sorted(filter(_is_checkpoint, names), key=lambda name: int(name.removeprefix(_PREFIX)))[::-1]:
                file = f"{place}/{name}/{_MANIFEST}"
                if self._files.exists(file):
                    manifests[name] = json.loads(self._files.cat_file(file))
        except (OSError, ValueError) as error:
            raise self._error(error) from error
        return manifests

    def upload(self, checkpoint: Path, folder: str = "", keep: int = _KEEP) -> None:
        """Copies a checkpoint; the manifest comes last, so that one that is not complete is none.

        The oldest beyond `keep` are deleted.
        """
        target = f"{self._path(folder)}/{checkpoint.name}"
        files = sorted(checkpoint.iterdir(), key=lambda file: file.name == _MANIFEST)
        try:
            if self._files.exists(target):
                self._files.rm(target, recursive=True)
            self._files.makedirs(target, exist_ok=True)
            for file in files:
                self._files.put_file(str(file), f"{target}/{file.name}")
        except OSError as error:
            raise self._error(error) from error
        for name in list(self.manifests(folder))[keep:]:
            self.remove(name, folder)

    def publish(self, checkpoint: Path) -> None:
        """Copies a checkpoint to the candidates. Raises StoreError for one that is not as it was written."""
        try:
            manifest = json.loads((checkpoint / _MANIFEST).read_bytes())
            hashes = {name: sha for name, sha in manifest["sha256"].items() if name != _MANIFEST}
            torn = [name for name, sha in hashes.items() if _sha256(checkpoint / name) != sha]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{checkpoint} is no checkpoint, such as `interest-stream train` writes: {error}"
            ) from error
        if torn:
            raise StoreError(f"{checkpoint}: {', '.join(torn)} is not what {_MANIFEST} says: torn or changed")
        self.upload(checkpoint, CANDIDATES)

    def download(self, name: str, into: Path, folder: str = "") -> Path:
        """Copies a checkpoint into a folder of this machine, where it appears complete."""
        into.mkdir(parents=True, exist_ok=True)
        source, target = f"{self._path(folder)}/{name}", into / name
        if target.exists():
            return target
        staging = Path(tempfile.mkdtemp(dir=into, prefix=".fetching-"))
        try:
            files = {file.rpartition("/")[2]: file for file in self._list(source)}
            if _MANIFEST not in files:
                raise FileNotFoundError(f"there is no checkpoint {name}")
            for file, path in files.items():
                self._files.get_file(path, str(staging / file))
            staging.rename(target)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise self._error(error) from error
        return target

    def remove(self, name: str, folder: str = "") -> None:
        """Deletes a checkpoint; one that is gone stays so."""
        try:
            self._files.rm(f"{self._path(folder)}/{name}", recursive=True)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error(error) from error

    def request(self, action: Action, name: str) -> None:
        """Asks the trainer for something to be done with a checkpoint."""
        place = self._path(_REQUESTS)
        try:
            self._files.makedirs(place, exist_ok=True)
            text = json.dumps({"action": action, "name": name})
            self._files.pipe_file(f"{place}/{time.time_ns()}.json", text.encode())
        except OSError as error:
            raise self._error(error) from error

    def take_requests(self) -> list[Request]:
        """What was asked for since the last call, in order; files that are none are deleted."""
        requests = []
        try:
            self._files.invalidate_cache()
            for file in sorted(self._list(self._path(_REQUESTS))):
                with contextlib.suppress(ValueError, TypeError):
                    requests.append(Request(**json.loads(self._files.cat_file(file))))
                self._files.rm_file(file)
        except OSError as error:
            raise self._error(error) from error
        return requests

    def _path(self, folder: str) -> str:
        return f"{self._root}/{folder}" if folder else str(self._root)

    def _list(self, place: str) -> list[str]:
        try:
            return [str(entry).rstrip("/") for entry in self._files.ls(place, detail=False)]
        except FileNotFoundError:
            return []

    def _error(self, error: Exception) -> StoreError:
        return StoreError(f"{self.url} cannot be used: {error or type(error).__name__}")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _is_checkpoint(name: str) -> bool:
    return name.startswith(_PREFIX) and name.removeprefix(_PREFIX).isdigit()
