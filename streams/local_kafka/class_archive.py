"""The archive of Kafka's classes from which Java starts a broker in half of the time (application class data sharing).

Uses the standard library only: `python -m streams.local_kafka.class_archive` runs before the environment is installed.
"""

import fcntl
import sys
import tempfile
from pathlib import Path

from streams.errors import KafkaStartError
from streams.local_kafka.jars import class_archive, fetch_jars, find_java
from streams.local_kafka.node import KafkaNode, new_id
from streams.ports import release_ports, reserve_ports

_STOP_DEADLINE_S = 60.0


class _RecordedNode(KafkaNode):
    """A node that writes the archive of the classes it has loaded when it stops."""

    def __init__(self, folder: Path, ports: tuple[int, int], archive: Path) -> None:
        settings = {"controller.quorum.voters": f"1@127.0.0.1:{ports[1]}"}
        super().__init__(folder, 1, ports, settings, folder)
        self._archive = archive

    def _command(self, *main: str) -> list[str]:
        java, *arguments = super()._command(*main)
        recorded = [f"-XX:ArchiveClassesAtExit={self._archive}"] if main[0] == self._main else []
        return [java, *recorded, *arguments]


def make_class_archive() -> Path:
    """The archive for this Java and these jars, made by a broker that starts and stops if it is not there yet.

    Raises KafkaStartError. A Java that makes none leaves none, and brokers start without it.
    """
    archive = class_archive(fetch_jars())
    with archive.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if archive.is_file():
            return archive
        part = archive.with_suffix(".part")
        (broker, controller), reservations = reserve_ports(2, None)
        try:
            with tempfile.TemporaryDirectory(prefix="interest-kafka-") as folder:
                node = _RecordedNode(Path(folder) / "node", (broker, controller), part)
                node.format(new_id())
                node.start()
                node.stop(_STOP_DEADLINE_S)
        finally:
            release_ports(reservations)
        if part.is_file():
            part.rename(archive)  # so that it is complete whenever it exists
    return archive


if __name__ == "__main__":
    try:
        find_java()
        fetch_jars()
        make_class_archive()
    except KafkaStartError as error:
        sys.exit(str(error))
