import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import KafkaStartError
from streams.local_kafka import jars as kafka_jars
from streams.local_kafka.jars import class_archive, fetch_jars, find_java

ROOT = Path(__file__).parents[4]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only folder on PATH beside the shell's; no Java, no Maven, an empty cache."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "mkdir", "sleep"):
        (folder / name).symlink_to(next(p for p in ("/bin", "/usr/bin") if Path(p, name).exists()) + f"/{name}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    find_java.cache_clear()
    yield folder
    find_java.cache_clear()


def put(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


FETCH = """
for argument; do case $argument in -DoutputDirectory=*) folder=${argument#-DoutputDirectory=};; esac; done
echo called >>"$CALLS"
sleep 0.3
mkdir -p "$folder"
: >"$folder/kafka.jar"
"""


def test_a_missing_java_is_an_error_that_says_what_to_install(programs: Path) -> None:
    with pytest.raises(
        KafkaStartError, match=r"needs Java 17 .*no `java` on PATH.*apt install default-jre.*brew install"
    ):
        find_java()


def test_a_java_home_without_java_is_named(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(KafkaStartError, match="JAVA_HOME=/nowhere holds none"):
        find_java()


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22", "16"])
def test_an_old_java_is_refused_with_its_version(programs: Path, version: str) -> None:
    put(programs / "java", f"echo 'openjdk version \"{version}\" 2024-01-16' >&2")
    with pytest.raises(KafkaStartError, match=version):
        find_java()


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.2", "25-ea"])
def test_a_recent_java_is_taken(programs: Path, version: str) -> None:
    put(programs / "java", f"echo 'openjdk version \"{version}\" 2024-01-16' >&2")
    assert find_java() == str(programs / "java")


def test_a_stub_that_is_no_java_is_refused_with_what_it_says(programs: Path) -> None:
    put(programs / "java", "echo 'Unable to locate a Java Runtime.' >&2; exit 1")
    with pytest.raises(KafkaStartError, match="Unable to locate a Java Runtime"):
        find_java()


def test_a_missing_maven_is_an_error_that_says_what_to_install(programs: Path) -> None:
    with pytest.raises(KafkaStartError, match=r"no `mvn` on PATH.*apt install maven.*brew install maven"):
        fetch_jars()


def test_jars_are_fetched_once(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", FETCH)
    first = fetch_jars()
    (programs / "mvn").unlink()
    assert fetch_jars() == first
    assert [path.name for path in first.iterdir()] == ["kafka.jar"]


def test_two_processes_that_need_the_jars_fetch_them_once(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", FETCH)
    script = [sys.executable, "-c", "from streams.local_kafka.jars import fetch_jars; print(fetch_jars())"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=30)[0] for process in processes}
    assert len(answers) == 1
    assert (tmp_path / "calls").read_text() == "called\n"


def test_a_failed_fetch_says_why_and_leaves_no_jars(programs: Path, tmp_path: Path) -> None:
    put(programs / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(KafkaStartError, match="Could not transfer artifact"):
        fetch_jars()
    assert not list((tmp_path / "cache" / "interest-stream").glob("kafka-*"))


def test_another_pom_has_a_folder_of_its_own(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", FETCH)
    first = fetch_jars()
    pom = tmp_path / "pom.xml"
    pom.write_text(kafka_jars._POM.read_text().replace("2.24.3", "2.24.4"))
    monkeypatch.setattr(kafka_jars, "_POM", pom)
    assert fetch_jars() != first


def test_another_version_has_a_folder_of_its_own(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", f'{FETCH}\necho "$@" >"$folder/arguments"')
    folder = fetch_jars("2.5.0")
    assert folder != fetch_jars()
    assert "-Dkafka.version=2.5.0" in (folder / "arguments").read_text()


def test_another_java_and_other_jars_have_a_class_archive_of_their_own(programs: Path, tmp_path: Path) -> None:
    java = programs / "java"
    put(java, "echo 'openjdk version \"21.0.2\" 2024-01-16' >&2")
    first = class_archive(tmp_path / "kafka-4.1.1")
    assert class_archive(tmp_path / "kafka-4.1.1") == first
    assert class_archive(tmp_path / "kafka-4.1.2") != first
    os.utime(java, (0, 0))
    assert class_archive(tmp_path / "kafka-4.1.1") != first
