"""How far a replay has come, in a small file, so that an interrupted one can go on."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from streams.files.formats.log_error import LogError

SUFFIX = ".replay.json"
_SAVE_INTERVAL_S = 0.25


@dataclass(slots=True)
class ReplayPosition:
    """Number of the log's events, in the order in which they are sent, that Kafka has acknowledged.

    What a crash costs are the events since the last save: they are sent again, with the same event ids.
    """

    file: Path
    fingerprint: Mapping[str, str]
    """What must be the same for the events to be the same, in the same order"""
    sent: int = 0
    fault: str | None = None
    """Why the file could not be written"""
    _saved_at: float = field(default=0.0)

    @classmethod
    def of(cls, log: Path, folder: Path | None, options: Mapping[str, str]) -> "ReplayPosition":
        """At the beginning of the log; its file lies in the folder, else beside the log. Raises LogError."""
        if folder is not None and not folder.is_dir():
            fault = "is no folder" if folder.exists() else "is not there"
            raise LogError(f"--state {folder}: {fault}; {log.name + SUFFIX} is written into a folder")
        status = log.stat()
        fingerprint = {"size": str(status.st_size), "modified": str(status.st_mtime_ns), **options}
        return cls((folder or log.parent) / (log.name + SUFFIX), fingerprint)

    def load(self) -> None:
        """Go to the position of the file. Raises LogError if there is none, or it is one of another log."""
        try:
            saved = json.loads(self.file.read_text())
            sent, fingerprint = int(saved["sent"]), dict(saved["fingerprint"])
        except FileNotFoundError:
            raise LogError(f"there is no unfinished replay in {self.file}: leave --resume out") from None
        except OSError as error:
            raise LogError(f"{self.file}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError):
            raise LogError(f"{self.file}: no position of a replay; --restart begins at the first event") from None
        different = [name for name in fingerprint if fingerprint[name] != self.fingerprint.get(name)]
        different += [name for name in self.fingerprint if name not in fingerprint]
        if different:
            raise LogError(
                f"{self.file}: the interrupted replay had another {' and '.join(different)}, so its position is not "
                "this one's; --restart begins at the first event"
            )
        self.sent = sent

    def unfinished(self) -> bool:
        """Whether a file is there."""
        return self.file.exists()

    def advance(self, events: int) -> None:
        """So many more events are acknowledged; saved a few times a second."""
        self.sent += events
        if time.monotonic() - self._saved_at >= _SAVE_INTERVAL_S:
            self.save()

    def save(self) -> None:
        """Replace the file."""
        temporary = self.file.with_name(self.file.name + ".new")
        try:
            temporary.write_text(json.dumps({"sent": self.sent, "fingerprint": dict(self.fingerprint)}))
            temporary.replace(self.file)
        except OSError as error:
            self.fault = f"{self.file}: {error.strerror}"
        self._saved_at = time.monotonic()

    def remove(self) -> None:
        """The replay is complete."""
        if self.fault is None:
            self.file.unlink(missing_ok=True)
