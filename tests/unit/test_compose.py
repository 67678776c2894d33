import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import yaml

from streams.cli.main import app
from streams.local_kafka import java_process
from streams.local_kafka.cluster import LocalKafka
from streams.local_kafka.jars import KAFKA_VERSION, fetch_jars, find_java
from streams.settings.settings import load_settings

ROOT = Path(__file__).parents[2]
# Where a broker listens, and where its data and controllers are, differs by nature.
OF_THE_PLACE = {
    "node.id",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "controller.quorum.voters",
    "log.dirs",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load((ROOT / "docker-compose.yml").read_text()))


def properties(path: Path) -> dict[str, str]:
    """The last value of each, as Java reads it."""
    lines = path.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))


def test_it_follows_the_compose_specification() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    answer = subprocess.run([*check, str(ROOT / "docker-compose.yml")], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
def test_its_broker_has_the_settings_of_the_local_one(compose: dict[str, Any], tmp_path: Path) -> None:
    """As the image's own start program joins them: the mounted file, then the environment."""
    kafka = compose["services"]["kafka"]
    [mount] = [volume for volume in kafka["volumes"] if "server.properties" in volume]
    source, target, _ = mount.split(":")
    assert target == "/mnt/shared/config/server.properties"
    folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
    for folder in folders.values():
        folder.mkdir()
        for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
            (folder / name).touch()
    (folders["mounted"] / "server.properties").write_text((ROOT / source).read_text())
    environment = {name: str(value) for name, value in kafka["environment"].items()}
    environment["KAFKA_LOG_DIRS"] = str(tmp_path / "data")
    setup = ["kafka.docker.KafkaDockerWrapper", "setup"]
    for option, folder in folders.items():
        setup += [f"--{option}-configs-dir", str(folder)]
    subprocess.run(
        [find_java(), "-XX:TieredStopAtLevel=1", "-cp", f"{fetch_jars()}/*", *setup],
        env=os.environ | environment,
        check=True,
        capture_output=True,
    )
    assert (tmp_path / "data" / "meta.properties").is_file()  # formatted: the broker would start

    [node] = LocalKafka(tmp_path / "local").nodes
    node.format("aW50ZXJlc3Qtc3RyZWFtMQ")
    local, in_compose = properties(node._config), properties(folders["final"] / "server.properties")
    assert {name: in_compose.get(name) for name in local.keys() - OF_THE_PLACE} == {
        name: local[name] for name in local.keys() - OF_THE_PLACE
    }
    assert in_compose.keys() == local.keys()


def test_its_broker_is_the_local_one_s_version_with_its_heap(compose: dict[str, Any]) -> None:
    kafka = compose["services"]["kafka"]
    assert kafka["image"] == f"apache/kafka:{KAFKA_VERSION}"
    assert kafka["environment"]["KAFKA_HEAP_OPTS"] in java_process._JAVA_FLAGS


def test_workers_find_the_broker_and_the_host_finds_it_by_default(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    kafka, worker = compose["services"]["kafka"], compose["services"]["worker"]
    advertised = dict(
        listener.split("://") for listener in kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"].split(",")
    )
    by_default = load_settings().kafka.bootstrap_servers
    assert advertised["HOST"] == by_default
    assert kafka["ports"] == [f"{by_default}:{by_default.split(':')[1]}"]
    for name, value in worker["environment"].items():
        monkeypatch.setenv(name, value)
    assert load_settings().kafka.bootstrap_servers == advertised["PLAINTEXT"]


def test_no_two_workers_share_a_data_folder(compose: dict[str, Any]) -> None:
    services = compose["services"]
    data = {name: [v for v in service.get("volumes", []) if v.endswith("/data")] for name, service in services.items()}
    assert data["worker"] == ["worker:/data"]  # one replica
    assert "deploy" not in services["worker"]
    assert data["workers"] == ["/data"]  # anonymous: one for each replica
    assert services["workers"]["profiles"] == ["scale"]


def test_every_service_of_the_image_runs_a_command_that_there_is_with_a_folder_of_its_own(
    compose: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group of commands
    services = {name: service for name, service in compose["services"].items() if service["image"] == "interest-stream"}
    assert {"worker", "workers", "trainer", "web", "policy", "topics"} == services.keys()
    assert {word for service in services.values() for word in service.get("command", ["worker"])} <= commands.keys()
    volumes = [volume for service in services.values() for volume in service.get("volumes", ()) if ":" in volume]
    assert sorted(volumes) == ["policy:/data", "trainer:/data", "web:/data", "worker:/data"]
    assert len({services[name]["environment"]["INTEREST_POLICY__KINDS"] for name in ("web", "policy")}) == 1
    for name, value in image_environment().items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert {settings.policy.data_dir.parent, settings.web.data_dir.parent, settings.worker.data_dir} == {Path("/data")}


def image_environment() -> dict[str, str]:
    dockerfile = (ROOT / "Dockerfile").read_text()
    return dict(re.findall(r"(INTEREST_\w+)=(\S+)", dockerfile))


def test_the_image_holds_what_the_checkout_holds_and_nothing_else(compose: dict[str, Any]) -> None:
    assert compose["services"]["worker"]["build"] == "."
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = {
        name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", dockerfile, re.MULTILINE) for name in line.split()
    }
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)
    assert "--require-hashes -r kept.txt" in dockerfile
    assert "USER 10001" in dockerfile


def test_packages_left_out_of_the_image_are_those_meant() -> None:
    """By the Dockerfile's own program: nothing but triton."""
    (program,) = re.findall(r"awk '(.+)' requirements.txt", (ROOT / "Dockerfile").read_text())
    lock = (ROOT / "requirements.txt").read_text()
    kept = subprocess.run(["awk", program], input=lock, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)) - set(
        re.findall(r"^([a-z0-9-]+)==", kept, re.MULTILINE)
    ) == {"triton"}
    assert set(kept.splitlines()) <= set(lock.splitlines())


def test_settings_of_the_image_are_valid(monkeypatch: pytest.MonkeyPatch, compose: dict[str, Any]) -> None:
    for name, value in {**image_environment(), **compose["services"]["worker"]["environment"]}.items():
        monkeypatch.setenv(name, value)
    assert load_settings().monitoring.host == "0.0.0.0"


def test_prometheus_asks_the_ports_that_the_services_serve(compose: dict[str, Any]) -> None:
    services, config = compose["services"], yaml.safe_load((ROOT / "deploy/monitoring/prometheus.yml").read_text())
    asked = {
        (name, targets["port"])
        for job in config["scrape_configs"]
        for targets in job["dns_sd_configs"]
        for name in targets["names"]
    }
    port = int(image_environment()["INTEREST_MONITORING__PORT"])
    trainer_port = int(services["worker"]["environment"]["INTEREST_MONITORING__TRAINER_PORT"])
    assert asked == {
        ("worker", port),
        ("workers", port),
        ("trainer", port),
        ("worker", trainer_port),
        ("policy", port),
    }
    for name in ("worker", "workers", "trainer", "policy"):
        assert services[name]["healthcheck"]["test"][2:] == ["-m", "streams.monitoring.probe", str(port), "ready"]


def test_what_monitors_is_pinned_and_mounts_what_there_is(compose: dict[str, Any]) -> None:
    for name in ("prometheus", "grafana"):
        service = compose["services"][name]
        assert service["profiles"] == ["monitoring"]
        assert re.fullmatch(r"\w+/\w+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service["volumes"]:
            if volume.startswith("./"):
                assert (ROOT / volume.partition(":")[0]).exists(), volume
