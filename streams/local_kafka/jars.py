"""Find Java, and the Kafka jars, which Maven fetches once into the user's cache.

Uses the standard library only, as what prepares Kafka runs before the environment is installed.
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

KAFKA_VERSION = "4.1.1"
"""That of the local Kafka, and of docker-compose.yml"""


@functools.cache
def find_java() -> str:
    """Path of Java 17 or newer: JAVA_HOME's if it is set, else the first on PATH. Raises KafkaStartError."""
    install = "`apt install default-jre-headless` (Debian, Ubuntu) or `brew install openjdk` (macOS)"
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(str(Path(home, "bin", "java"))) if home else shutil.which("java")
    if path is None:
        where = f"JAVA_HOME={home} holds none" if home else "there is no `java` on PATH"
        raise KafkaStartError(f"Kafka needs Java {_OLDEST_JAVA} or newer, and {where}. Install it: {install}.")
    answer = subprocess.run([path, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        output = (answer.stderr.strip() or answer.stdout.strip() or "nothing").splitlines()[0]
        raise KafkaStartError(
            f"Kafka needs Java {_OLDEST_JAVA} or newer, and `{path} -version` prints: {output}. Install it: {install}."
        )
    return path


def fetch_jars(version: str = KAFKA_VERSION) -> Path:
    """Folder of the jars of this Kafka in the user's cache, fetched by Maven the first time. Raises KafkaStartError."""
    pom = _POM.read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interest-stream"
    # The pom's digest in the name keeps the jars of different poms apart.
    folder = cache / f"kafka-{version}-{hashlib.sha256(pom).hexdigest()[:12]}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _run_maven(folder, version)
    return folder


def _run_maven(folder: Path, version: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaStartError(
            f"Kafka's jars are not in {folder} yet, and there is no `mvn` on PATH to fetch them. "
            "Install Maven: `apt install maven` (Debian, Ubuntu) or `brew install maven` (macOS)."
        )
    print(f"Fetching Kafka {version} through Maven, 45 MB, once", file=sys.stderr, flush=True)
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    command = [maven, "-B", "-q", "-f", str(_POM), "dependency:copy-dependencies"]
    answer = subprocess.run(
        [*command, f"-Dkafka.version={version}", f"-DoutputDirectory={part}", "-DincludeScope=runtime"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode:
        tail = "\n".join((answer.stdout + answer.stderr).splitlines()[-15:])
        raise KafkaStartError(f"Maven could not fetch Kafka's jars; correct what it reports and start again:\n{tail}")
    part.rename(folder)  # so that the folder is complete whenever it exists


def class_archive(folder: Path) -> Path:
    """Where the archive of the classes of the jars in `folder` is, once it is made, for this very Java."""
    java = Path(find_java()).resolve()
    build = hashlib.sha256(f"{java} {java.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    return folder.with_name(f"{folder.name}-{build}.jsa")  # not in the folder, all of which is the class path


def formatted_checkpoint(folder: Path) -> Path:
    """Where the checkpoint of a formatted node is kept, once Kafka's storage tool has run from the jars in `folder`."""
    return folder.with_name(f"{folder.name}.checkpoint")
