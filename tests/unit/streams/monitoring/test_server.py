import json
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from streams.errors import MonitoringError
from streams.monitoring.health import Health, HealthStatus
from streams.monitoring.process_monitoring import ProcessMonitoring, process_registry
from streams.monitoring.server import _MOST_CLIENTS, MonitoringServer

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[4]


class Fixed:
    """Health checks with these answers."""

    def __init__(self, live: bool, ready: bool) -> None:
        self._live, self._ready = live, ready

    def live(self) -> HealthStatus:
        return HealthStatus(self._live, "why", {"stalled_s": 1.5})

    def ready(self) -> HealthStatus:
        return HealthStatus(self._ready, "why")


@pytest.fixture
def health() -> Health:
    return Health()


@pytest.fixture
def registry() -> CollectorRegistry:
    return process_registry()


@pytest.fixture
def server(registry: CollectorRegistry, health: Health) -> Iterator[MonitoringServer]:
    running = MonitoringServer(HOST, 0, "monitoring.port", registry, health)
    running.start()
    yield running
    running.stop()


def get(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    answer: HTTPResponse | urllib.error.HTTPError
    try:
        answer = urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return int(answer.status or 0), answer.read().decode()


def test_metrics_are_served_in_prometheus_text_format(server: MonitoringServer, registry: CollectorRegistry) -> None:
    Gauge("interest_lines", 'A "help".', ["name"], registry=registry).labels("a\nb").set(3)
    status, text = get(server.port, "/metrics")
    assert status == 200
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert [(sample.labels, sample.value) for sample in families["interest_lines"].samples] == [({"name": "a\nb"}, 3)]
    assert {"interest_build_info", "process_cpu_seconds", "python_info", "python_gc_collections"} <= families.keys()
    assert not [name for name in families if name.endswith("_created")]


def test_a_process_that_starts_is_alive_and_not_ready(server: MonitoringServer, health: Health) -> None:
    assert get(server.port, "/health/live")[0] == 200
    status, body = get(server.port, "/health/ready")
    assert (status, json.loads(body)) == (503, {"status": "failing", "reason": "starting"})


@pytest.mark.parametrize(("live", "ready"), [(True, True), (True, False), (False, True)])
def test_health_is_what_the_checks_answer(server: MonitoringServer, health: Health, live: bool, ready: bool) -> None:
    health.use(Fixed(live, ready))
    status, body = get(server.port, "/health/live")
    assert status == (200 if live else 503)
    assert json.loads(body) == {"status": "ok" if live else "failing", "reason": "why", "stalled_s": 1.5}
    assert get(server.port, "/health/ready/?verbose")[0] == (200 if ready else 503)
    values = {family.name: family.samples[0].value for family in health.collect()}
    assert values == {"interest_live": live, "interest_ready": ready}


@pytest.mark.parametrize(("check", "code", "reason"), [("live", 0, "starting\n"), ("ready", 1, "starting\n")])
def test_a_container_is_asked_by_its_own_command(server: MonitoringServer, check: str, code: int, reason: str) -> None:
    command = [sys.executable, "-m", "streams.monitoring.probe", str(server.port), check]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (code, reason)


def test_another_path_names_those_that_there_are(server: MonitoringServer) -> None:
    assert get(server.port, "/") == (404, "/metrics, /health/live or /health/ready\n")


def test_silent_clients_keep_neither_others_nor_the_stop_waiting(server: MonitoringServer) -> None:
    silent = [socket.create_connection((HOST, server.port)) for _ in range(_MOST_CLIENTS - 1)]
    try:
        assert get(server.port, "/health/live")[0] == 200
    finally:
        for client in silent:
            client.close()


def test_more_clients_than_there_are_threads_for_are_refused(server: MonitoringServer) -> None:
    def until_refused() -> None:
        while True:
            client = socket.create_connection((HOST, server.port))
            clients.append(client)
            client.settimeout(0.05)
            try:
                if client.recv(1) == b"":
                    return
            except TimeoutError:
                continue

    clients: list[socket.socket] = []
    until_refused()
    assert len(clients) > _MOST_CLIENTS
    for client in clients:
        client.close()


def test_metrics_that_cannot_be_collected_leave_the_health_checks_alone(
    server: MonitoringServer, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            if broken.is_set():
                raise ZeroDivisionError
            yield GaugeMetricFamily("interest_broken", "", value=1)

    broken = threading.Event()
    registry.register(Broken())
    broken.set()
    assert get(server.port, "/metrics")[0] == 500
    assert "the metrics cannot be collected" in caplog.text
    assert get(server.port, "/health/live")[0] == 200


def test_a_check_that_fails_is_logged_and_the_next_one_answered(
    server: MonitoringServer, health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Fixed):
        def live(self) -> HealthStatus:
            raise ZeroDivisionError

    health.use(Broken(True, True))
    with pytest.raises(ConnectionError):
        get(server.port, "/health/live")
    assert get(server.port, "/health/ready")[0] == 200
    assert "a request to the monitoring port failed" in caplog.text


def test_a_port_in_use_is_an_error_that_names_the_setting(server: MonitoringServer) -> None:
    with pytest.raises(MonitoringError, match=rf"at 127\.0\.0\.1:{server.port} \(.*\): set monitoring.trainer_port to"):
        ProcessMonitoring(HOST, server.port, "monitoring.trainer_port")


def test_an_address_of_another_machine_is_an_error(registry: CollectorRegistry, health: Health) -> None:
    with pytest.raises(MonitoringError, match=r"monitoring\.host to an address of this machine"):
        MonitoringServer("192.0.2.1", 0, "monitoring.port", registry, health)


def test_without_a_port_nothing_listens() -> None:
    monitoring = ProcessMonitoring(HOST, 0)
    monitoring.start()
    assert "monitoring" not in [thread.name for thread in threading.enumerate()]
    monitoring.stop()
    assert monitoring.registry.get_sample_value("interest_ready") == 0
