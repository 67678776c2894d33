import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams import kafka_jars, local_kafka
from streams.errors import KafkaStartError
from streams.kafka_jars import jars, java
from streams.local_kafka import LocalKafka, start_background, status, stop_background

ROOT = Path(__file__).parents[3]
SERVER_PROPERTIES = ROOT / "streams" / "server.properties"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH beside the shell's; no Java, no Maven, an empty cache."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("sh", "mkdir", "sleep"):
        (folder / name).symlink_to(next(p for p in ("/bin", "/usr/bin") if Path(p, name).exists()) + f"/{name}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    java.cache_clear()
    return folder


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
        java()


def test_a_java_home_without_java_is_named(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(KafkaStartError, match="JAVA_HOME=/nowhere holds none"):
        java()


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22", "16"])
def test_an_old_java_is_refused_with_its_version(programs: Path, version: str) -> None:
    put(programs / "java", f"echo 'openjdk version \"{version}\" 2024-01-16' >&2")
    with pytest.raises(KafkaStartError, match=version):
        java()


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.2", "25-ea"])
def test_a_recent_java_is_taken(programs: Path, version: str) -> None:
    put(programs / "java", f"echo 'openjdk version \"{version}\" 2024-01-16' >&2")
    assert java() == str(programs / "java")


def test_a_stub_that_is_no_java_is_refused_with_what_it_says(programs: Path) -> None:
    put(programs / "java", "echo 'Unable to locate a Java Runtime.' >&2; exit 1")
    with pytest.raises(KafkaStartError, match="Unable to locate a Java Runtime"):
        java()


def test_a_missing_maven_is_an_error_that_says_what_to_install(programs: Path) -> None:
    with pytest.raises(KafkaStartError, match=r"no `mvn` on PATH.*apt install maven.*brew install maven"):
        jars()


def test_jars_are_fetched_once(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", FETCH)
    first = jars()
    (programs / "mvn").unlink()
    assert jars() == first
    assert [path.name for path in first.iterdir()] == ["kafka.jar"]


def test_two_processes_that_need_the_jars_fetch_them_once(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", FETCH)
    script = [sys.executable, "-c", "from streams.kafka_jars import jars; print(jars())"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = {process.communicate(timeout=30)[0] for process in processes}
    assert len(answers) == 1
    assert (tmp_path / "calls").read_text() == "called\n"


def test_a_failed_fetch_says_why_and_leaves_no_jars(programs: Path, tmp_path: Path) -> None:
    put(programs / "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
    with pytest.raises(KafkaStartError, match="Could not transfer artifact"):
        jars()
    assert not list((tmp_path / "cache" / "interest-stream").glob("kafka-*"))


def test_another_pom_has_a_folder_of_its_own(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    put(programs / "mvn", FETCH)
    first = jars()
    pom = tmp_path / "pom.xml"
    pom.write_text(kafka_jars._POM.read_text().replace("4.1.1", "4.1.2"))
    monkeypatch.setattr(kafka_jars, "_POM", pom)
    assert jars() != first


def test_ports_are_free_distinct_and_not_ephemeral() -> None:
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    low, high = map(int, ephemeral.read_text().split()) if ephemeral.is_file() else (32768, 60999)
    ports = local_kafka._free_ports(6)
    assert len(set(ports)) == 6
    assert not [port for port in ports if low <= port <= high]
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_taken_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = local_kafka._free_ports(2)
    monkeypatch.setattr(local_kafka, "_candidate_ports", lambda: [taken, free])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        assert local_kafka._free_ports(1) == [free]
        with pytest.raises(KafkaStartError, match="No 2 free ports"):
            local_kafka._free_ports(2)


def test_starts_at_the_same_time_do_not_share_a_port() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: local_kafka._free_ports(2), range(8)))
    assert len({port for ports in drawn for port in ports}) == 16


def test_only_one_or_three_nodes() -> None:
    with pytest.raises(KafkaStartError, match="1 or 3 nodes, not 2"):
        LocalKafka(nodes=2)


def test_a_folder_keeps_its_ports_and_its_number_of_nodes(tmp_path: Path) -> None:
    assert LocalKafka(tmp_path, 3).bootstrap_servers == LocalKafka(tmp_path, 3).bootstrap_servers
    with pytest.raises(KafkaStartError, match="has 3 nodes, not 1"):
        LocalKafka(tmp_path, 1)


def test_a_torn_state_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "local-kafka.json").write_text('{"cluster_id": "x"')
    with pytest.raises(KafkaStartError, match=r"local-kafka\.json"):
        status(tmp_path)


def test_nothing_runs_where_none_has_been(tmp_path: Path) -> None:
    assert status(tmp_path) is None
    assert stop_background(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_pid_that_is_another_process_is_not_the_broker(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path)
    kafka.nodes[0].folder.mkdir()
    (kafka.nodes[0].folder / "pid").write_text(str(os.getpid()))
    assert kafka.nodes[0].pid is None


def test_a_start_without_java_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kafka"
    with pytest.raises(KafkaStartError, match="Java"):
        start_background(folder)
    now = status(folder)
    assert now is not None
    assert not now.running
    assert now.pids == (None,)


def test_three_nodes_raise_what_the_shipped_settings_hold_for_one(tmp_path: Path) -> None:
    shipped = dict(
        line.split("=", 1) for line in SERVER_PROPERTIES.read_text().splitlines() if line and not line.startswith("#")
    )
    ports = json.loads((LocalKafka(tmp_path, 3).folder / "local-kafka.json").read_text())["ports"]
    raised = {name: value for name, value in local_kafka._quorum_settings(ports).items() if value in "23"}
    assert {shipped[name] for name in raised} == {"1"}
    of_one = {name for name in shipped if name.endswith((".replication.factor", ".min.isr", "insync.replicas"))}
    assert of_one == set(raised)
