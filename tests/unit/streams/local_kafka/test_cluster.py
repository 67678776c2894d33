import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.errors import KafkaStartError
from streams.local_kafka import cluster
from streams.local_kafka.cluster import LocalKafka, start_background, status, stop_background
from streams.local_kafka.jars import find_java

ROOT = Path(__file__).parents[4]
SERVER_PROPERTIES = ROOT / "streams/local_kafka/server.properties"


def test_ports_are_free_distinct_and_not_ephemeral() -> None:
    ephemeral = Path("/proc/sys/net/ipv4/ip_local_port_range")
    low, high = map(int, ephemeral.read_text().split()) if ephemeral.is_file() else (32768, 60999)
    ports = cluster._free_ports(6, None)
    assert len(set(ports)) == 6
    assert not [port for port in ports if low <= port <= high]
    for port in ports:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))


def test_a_taken_port_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = cluster._free_ports(2, None)
    monkeypatch.setattr(cluster, "_candidate_ports", lambda: [taken, free])
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", taken))
        holder.listen()
        assert cluster._free_ports(1, None) == [free]
        with pytest.raises(KafkaStartError, match="No 2 free ports"):
            cluster._free_ports(2, None)


def test_starts_at_the_same_time_do_not_share_a_port() -> None:
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: cluster._free_ports(2, None), range(8)))
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


def test_the_first_port_is_used_if_it_is_free() -> None:
    (port,) = cluster._free_ports(1, None)
    assert cluster._free_ports(2, port)[0] == port
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert port not in cluster._free_ports(2, port)
