"""The manifests follow the Kubernetes schemas, and say what image and settings say."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from streams.cli.main import app
from streams.settings.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
BASE, PRODUCTION = FOLDER / "base", FOLDER / "overlays" / "production"
# Of KEDA and of the Prometheus operator: their schemas are in no package.
CUSTOM_KINDS = {"ScaledObject", "TriggerAuthentication", "PodMonitor"}
KUSTOMIZE_KINDS = {"Kustomization", "Component"}
VERSIONS = ("1.32", kubernetes_validate.latest_version())


def documents(text: str) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(text) if isinstance(document, dict)]


@pytest.fixture(scope="module")
def files() -> list[dict[str, Any]]:
    """All resources as they are written."""
    return [document for file in sorted(FOLDER.rglob("*.yaml")) for document in documents(file.read_text())]


def literals(folder: Path) -> dict[str, str]:
    (kustomization,) = documents((folder / "kustomization.yaml").read_text())
    return dict(line.split("=", 1) for line in kustomization["configMapGenerator"][0]["literals"])


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Those of the base, in the image."""
    image = dict(re.findall(r"(INTEREST_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))
    for name, value in {**image, **literals(BASE)}.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def named(files: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {document["metadata"]["name"]: document for document in files if document.get("kind") == kind}


def pods(files: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for kind in ("StatefulSet", "Deployment"):
        yield from (document["spec"]["template"]["spec"] for document in named(files, kind).values())


@pytest.mark.parametrize("version", VERSIONS)
def test_resources_follow_the_schemas_of_kubernetes(files: list[dict[str, Any]], version: str) -> None:
    validated = [document for document in files if document.get("kind") not in {None, *CUSTOM_KINDS, *KUSTOMIZE_KINDS}]
    assert len(validated) >= 10
    for document in validated:
        kubernetes_validate.validate(document, version, strict=True)


def test_what_kustomize_builds_follows_them_too() -> None:
    commands = {"kubectl": ["kubectl", "kustomize"], "kustomize": ["kustomize", "build"]}
    command = next((words for name, words in commands.items() if shutil.which(name)), None)
    if command is None:
        pytest.skip("neither kubectl nor kustomize here")
    for folder in (BASE, PRODUCTION):
        built = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
        resources = documents(built.stdout)
        kinds = {resource["kind"] for resource in resources}
        assert {"StatefulSet", "Deployment", "PodDisruptionBudget", "ConfigMap"} <= kinds
        for resource in resources:
            if resource["kind"] not in CUSTOM_KINDS:
                kubernetes_validate.validate(resource, VERSIONS[-1], strict=True)


def test_settings_are_valid(settings: Settings, files: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.trainer.mode == "external"
    assert settings.logging.format == "json"
    for pod in pods(files):
        for variable in pod["containers"][0].get("env", ()):
            monkeypatch.setenv(variable["name"], variable["value"])
    monkeypatch.setenv("INTEREST_WEB__READ_TOKEN", "0123456789abcdef")
    assert load_settings().web.host == "0.0.0.0"
    for name, value in literals(PRODUCTION).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("INTEREST_KAFKA__SASL_USERNAME", "interest")
    monkeypatch.setenv("INTEREST_KAFKA__SASL_PASSWORD", "secret")
    assert load_settings().kafka.uses_tls


def test_containers_run_commands_that_there_are_and_are_asked_where_they_listen(
    settings: Settings, files: list[dict[str, Any]]
) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group of commands
    ports = dict.fromkeys(("worker", "trainer", "policy"), settings.monitoring.port) | {"web": settings.web.port}
    assert {container["name"] for pod in pods(files) for container in pod["containers"]} == ports.keys()
    for pod in pods(files):
        (container,) = pod["containers"]
        assert container["args"] == [container["name"]]
        assert container["name"] in commands
        (port,) = container["ports"]
        assert port["containerPort"] == ports[container["name"]]
        for probe, path in (("startupProbe", "live"), ("livenessProbe", "live"), ("readinessProbe", "ready")):
            assert container[probe]["httpGet"] == {"path": f"/health/{path}", "port": port["name"]}


def test_pods_have_no_rights_and_write_to_volumes_alone(settings: Settings, files: list[dict[str, Any]]) -> None:
    for pod in pods(files):
        (container,) = pod["containers"]
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False
        security = pod["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 10001)
        assert "USER 10001" in (ROOT / "Dockerfile").read_text()
        assert container["securityContext"]["readOnlyRootFilesystem"]
        mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts == {"/data", "/tmp"}
    folders = settings.trainer.trained_dir, settings.web.data_dir, settings.policy.data_dir
    assert {settings.worker.data_dir, *(folder.parent for folder in folders)} == {Path("/data")}


def test_workers_are_scaled_by_the_lag_of_their_own_group(settings: Settings, files: list[dict[str, Any]]) -> None:
    (scaled,) = named(files, "ScaledObject").values()
    worker = named(files, "StatefulSet")[scaled["spec"]["scaleTargetRef"]["name"]]
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert scaled["spec"]["scaleTargetRef"]["envSourceContainerName"] == container["name"]
    assert scaled["spec"]["maxReplicaCount"] == settings.topics.partitions
    assert scaled["spec"]["minReplicaCount"] == worker["spec"]["replicas"]
    (trigger,) = scaled["spec"]["triggers"]
    names = {value for key, value in trigger["metadata"].items() if key.endswith("FromEnv")}
    assert len(names) == 3
    assert names <= literals(BASE).keys()


def test_every_controller_has_a_disruption_budget_and_every_selector_meets_pods(files: list[dict[str, Any]]) -> None:
    controllers = {**named(files, "StatefulSet"), **named(files, "Deployment")}
    assert named(files, "PodDisruptionBudget").keys() == controllers.keys()
    labels = [controller["spec"]["template"]["metadata"]["labels"] for controller in controllers.values()]
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        for document in named(files, kind).values():
            assert document["spec"]["selector"]["matchLabels"] in labels
    for service in named(files, "Service").values():
        assert service["spec"]["selector"] in labels
