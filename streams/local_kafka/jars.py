"""Java and the Kafka jars on this machine: found, or fetched once. Knows nothing of brokers and ports.

Needs no package beyond Python's own: `python -m streams.local_kafka.jars` makes ready before there is an environment.
"""

import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from streams.errors import KafkaStartError

_POM = Path(__file__).with_name("pom.xml")
_OLDEST_JAVA = 17


@functools.cache
def java() -> str:
    """Path of a Java 17 or newer: that of JAVA_HOME if it is set, else the first on PATH."""
    install = "`apt install default-jre-headless` (Debian, Ubuntu) or `brew install openjdk` (macOS)"
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    if path is None:
        where = f"JAVA_HOME={home} holds none" if home else "there is no `java` on PATH"
        raise KafkaStartError(f"Kafka needs Java {_OLDEST_JAVA} or newer, and {where}. Install it: {install}.")
    answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        found = (answer.stderr.strip() or answer.stdout.strip() or "nothing").splitlines()[0]
        raise KafkaStartError(
            f"Kafka needs Java {_OLDEST_JAVA} or newer, and `{path} -version` says: {found}. Install it: {install}."
        )
    return path


def jars() -> Path:
    """Folder of Kafka's jars in the user's cache; fetched through Maven where it is not there yet."""
    pom = _POM.read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interest-stream"
    # The pom's digest in the name: another version never meets the jars of this one.
    folder = cache / f"kafka-{hashlib.sha256(pom).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaStartError(
            f"Kafka's jars are not in {folder} yet, and there is no `mvn` on PATH to fetch them. "
            "Install Maven: `apt install maven` (Debian, Ubuntu) or `brew install maven` (macOS)."
        )
    print("Fetching Kafka through Maven, 45 MB, once", file=sys.stderr, flush=True)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies"]
    answer = subprocess.run(
        [*command, f"-DoutputDirectory={part}", "-DincludeScope=runtime"], capture_output=True, text=True, check=False
    )
    if answer.returncode:
        tail = "\n".join((answer.stdout + answer.stderr).splitlines()[-15:])
        raise KafkaStartError(f"Maven could not fetch Kafka's jars; mend what it says and start again:\n{tail}")
    part.rename(folder)  # complete or not there at all


if __name__ == "__main__":
    try:
        java()
        jars()
    except KafkaStartError as error:
        sys.exit(str(error))
