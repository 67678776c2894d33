"""Alerts, dashboard and documents name metrics that there are; promtool holds the alerts."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from streams.feedback.metrics import PolicyMetrics
from streams.monitoring.process_monitoring import ProcessMonitoring
from streams.policy.arms import Arms
from streams.policy.known_policies import KnownPolicies
from streams.trainer.metrics import TrainerMetrics
from streams.web.following.follower import Follower
from streams.web.following.hub import Hub
from streams.web.following.policy_watch import PolicyWatch
from streams.web.metrics import WebMetrics
from streams.web.view.view import View
from tests.driver.worker_driver import WorkerDriver

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "monitoring"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "interest-stream.json"
PAGE = ROOT / "docs" / "monitoring.md"
_HISTOGRAM = ("_bucket", "_sum", "_count")
NO_PROMTOOL = "no promtool here: `apt install prometheus` (Debian, Ubuntu), `brew install prometheus` (macOS)"


def series(registry: CollectorRegistry) -> Iterator[tuple[str, str]]:
    """Names that can be queried, each with the metric that it is of."""
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", generate_latest(registry).decode(), re.MULTILINE):
        yield from ((name + suffix, name) for suffix in (("", *_HISTOGRAM) if kind == "histogram" else ("",)))


@pytest.fixture
async def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Of worker, trainer, web server and policies."""
    driver = WorkerDriver(tmp_path, monkeypatch, [f"web.data_dir={tmp_path / 'web'}"])
    worker, trainer = await driver.start(), ProcessMonitoring("127.0.0.1", 0)
    TrainerMetrics(driver.settings, trainer.registry)
    view, hub, policies = View(driver.settings), Hub(1), KnownPolicies(driver.settings.policy)
    watch = PolicyWatch(driver.settings, policies, Arms(policies))
    policy = ProcessMonitoring("127.0.0.1", 0)
    PolicyMetrics(driver.settings, policies, policy.registry)
    web = WebMetrics(view, Follower(driver.settings, view, watch, hub.publish, lambda _: None), hub)
    names = dict([*series(worker.registry), *series(trainer.registry), *series(web.registry), *series(policy.registry)])
    view.close()
    await worker.stop()
    return names


@pytest.fixture(scope="module")
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(DASHBOARD.read_text()))


def named(text: str) -> set[str]:
    return set(re.findall(r"\b(?:interest|process|python)_[a-z0-9_]+", text))


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(
    metrics: dict[str, str], rules: list[dict[str, Any]], dashboard: dict[str, Any]
) -> None:
    assert len(rules) > 10
    assert len(expressions(dashboard)) > 20
    assert named(" ".join(rule["expr"] for rule in rules)) <= metrics.keys()
    variables = json.dumps(dashboard["templating"])
    assert named(" ".join(expressions(dashboard)) + variables) <= metrics.keys()


def test_the_page_names_every_metric_and_no_other(metrics: dict[str, str]) -> None:
    written = {name for name in named(PAGE.read_text()) if not name.endswith("_")}
    assert written <= metrics.keys()
    ours = {metric for metric in metrics.values() if metric.startswith("interest_")}
    assert ours - {metrics[name] for name in written} == set()


def test_names_and_units_are_those_that_prometheus_asks_for(metrics: dict[str, str]) -> None:
    units = ("_seconds", "_bytes", "_ratio", "_records", "_events", "_nats", "_info", "_partitions", "_items")
    states = {"interest_live", "interest_ready", "interest_trainer_elected", "interest_items_capacity"}
    states |= {f"interest_web_{name}" for name in ("ready", "behind", "users", "streams")}  # of records, users, streams
    states |= {"interest_policy_learns", "interest_policy_version", "interest_waiting_decisions"}
    ours = {metric for metric in metrics.values() if metric.startswith("interest_")} - states
    assert [name for name in ours if not name.endswith((*units, "_total"))] == []


def test_every_alert_has_its_place_on_the_page_and_its_unit_test(rules: list[dict[str, Any]]) -> None:
    alerts = [rule["alert"] for rule in rules]
    assert re.findall(r"^### (\w+)$", PAGE.read_text(), re.MULTILINE) == alerts
    for rule in rules:
        assert rule["annotations"]["runbook"] == f"docs/monitoring.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")
    tests = (FOLDER / "rules_test.yml").read_text()
    assert [alert for alert in alerts if alert not in tests] == []


def test_the_dashboard_can_be_provisioned(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert {panel["datasource"]["uid"] for panel in panels if panel["type"] != "row"} == {"${datasource}"}
    assert "datasource" in [variable["name"] for variable in dashboard["templating"]["list"]]
    places = [tuple(panel["gridPos"][key] for key in "xywh") for panel in panels]
    cells = [(x + i, y + j) for x, y, w, h in places for i in range(w) for j in range(h)]
    assert len(set(cells)) == len(cells)  # no panel lies on another
    (source,) = yaml.safe_load((FOLDER / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["uid"] == dashboard["templating"]["list"][0]["current"]["value"]


def test_promtool_can_read_every_expression_of_the_dashboard(dashboard: dict[str, Any], tmp_path: Path) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip(NO_PROMTOOL)
    exprs = [expr.replace("$__rate_interval", "1m").replace("$instance", ".*") for expr in expressions(dashboard)]
    records = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(exprs)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    answer = subprocess.run(
        [promtool, "check", "rules", "panels.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    "words",
    [("check", "rules", "rules.yml"), ("test", "rules", "rules_test.yml"), ("check", "config", "prometheus.yml")],
)
def test_promtool_accepts_it(words: tuple[str, ...]) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip(NO_PROMTOOL)
    syntax_only = ["--syntax-only"] if "config" in words else []
    answer = subprocess.run(
        [promtool, *words[:2], *syntax_only, words[2]], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
