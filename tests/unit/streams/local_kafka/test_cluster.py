import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams import ports as kafka_ports
from streams.errors import KafkaStartError
from streams.local_kafka import cluster
from streams.local_kafka.cluster import LocalKafka, start_background, status, stop_background
from streams.local_kafka.jars import find_java

ROOT = Path(__file__).parents[4]
ReservePorts = Callable[..., list[int]]
SERVER_PROPERTIES = ROOT / "streams/local_kafka/server.properties"


@pytest.fixture
def reserve_ports() -> Iterator[ReservePorts]:
    """Ports reserved until the end of the test."""
    reservations: list[int] = []

    def reserve(count: int, first: int | None = None) -> list[int]:
        ports, descriptors = kafka_ports.reserve_ports(count, first)
        reservations.extend(descriptors)
        return ports

    yield reserve
    kafka_ports.release_ports(reservations)


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, reserved no longer."""
    ports, reservations = kafka_ports.reserve_ports(count, None)
    kafka_ports.release_ports(reservations)
    return ports


def test_ports_are_free_distinct_and_not_ephemeral(reserve_ports: ReservePorts) -> None:
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    low, high = map(int, ephemeral.read_text().split()) if ephemeral.is_file() else (32768, 60999)
    ports = reserve_ports(6)
    assert len(set(ports)) == 6
    assert not [port for port in ports if low <= port <= high]
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_port_in_use_is_not_reserved(reserve_ports: ReservePorts, monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = free_ports(2)
    monkeypatch.setattr(kafka_ports, "_candidate_ports", lambda: [taken, free])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", taken))
        listener.listen()
        with pytest.raises(KafkaStartError, match="No 2 free ports"):
            reserve_ports(2)
        assert reserve_ports(1) == [free]


def test_a_port_is_reserved_once_until_its_kafka_stops_or_its_process_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports = free_ports(2)
    monkeypatch.setattr(kafka_ports, "_candidate_ports", lambda: ports)
    kafka = LocalKafka(tmp_path / "first")
    with pytest.raises(KafkaStartError, match="No 2 free ports"):
        LocalKafka(tmp_path / "second")
    kafka.stop()
    script = f"""
import os, sys
from streams import ports
from streams.local_kafka import cluster
ports._candidate_ports = lambda: {ports}
kafka = cluster.LocalKafka()
print("reserved", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "reserved\n"
        with pytest.raises(KafkaStartError, match="No 2 free ports"):
            LocalKafka(tmp_path / "third")
        process.kill()
    LocalKafka(tmp_path / "third").stop()


def test_starts_at_the_same_time_do_not_share_a_port(
    reserve_ports: ReservePorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = free_ports(16)
    monkeypatch.setattr(kafka_ports, "_candidate_ports", lambda: candidates)  # all try them in the same order
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: reserve_ports(2), range(8)))
    assert sorted(port for ports in drawn for port in ports) == sorted(candidates)


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


def test_a_folder_without_a_kafka_has_no_status(tmp_path: Path) -> None:
    assert status(tmp_path) is None
    assert stop_background(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_start_without_java_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    find_java.cache_clear()
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
    raised = {name: value for name, value in cluster._quorum_settings(ports).items() if value in "23"}
    assert {shipped[name] for name in raised} == {"1"}
    of_one = {name for name in shipped if name.endswith((".replication.factor", ".min.isr", "insync.replicas"))}
    assert of_one == set(raised)


def test_the_first_port_is_used_if_it_is_free(reserve_ports: ReservePorts) -> None:
    (port,) = free_ports(1)
    ports, reservations = kafka_ports.reserve_ports(2, port)
    kafka_ports.release_ports(reservations)
    assert ports[0] == port
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert port not in reserve_ports(2, port)
