import json
from pathlib import Path

from rich.console import Console

from bench.throughput.peers.meter import Measurement
from bench.throughput.report import ProgramResult, ThroughputReport, cost_ratios

MACHINE: dict[str, str | int] = {"cores": 2}
SLOW = ProgramResult.of("slow", "one at a time", Measurement(1100, 1000, 0.5, 2.0, {}), 1100, None)
FAST = ProgramResult.of(
    "fast", "in batches", Measurement(11000, 10000, 0.1, 0.5, {"model": 0.3, "store": 0.1}), 5500, 3_300_000
)


def test_a_result_is_per_event() -> None:
    assert (SLOW.cpu_us_per_event, SLOW.events_per_s) == (500.0, 500.0)
    assert (FAST.cpu_us_per_event, FAST.events_per_s) == (10.0, 20_000.0)
    assert FAST.stage_share == {"model": 0.75, "store": 0.25}
    assert SLOW.stage_share == {}


def test_ratios_are_of_pairs_that_were_both_measured() -> None:
    assert cost_ratios([SLOW, FAST], [("slow", "fast"), ("slow", "absent")]) == {"slow / fast": 50.0}


def test_a_saved_report_has_the_documented_keys(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    ThroughputReport(MACHINE, {"events": 11000}, [SLOW, FAST], {"slow / fast": 50.0}).save(file)
    report = json.loads(file.read_text())
    assert set(report) == {"machine", "workload", "results", "ratios"}
    assert [(result["name"], result["cpu_us_per_event"]) for result in report["results"]] == [
        ("slow", 500.0),
        ("fast", 10.0),
    ]
    assert report["machine"] == MACHINE
    assert report["ratios"] == {"slow / fast": 50.0}


def test_a_report_can_be_read_on_a_narrow_screen() -> None:
    report = ThroughputReport(MACHINE, {}, [SLOW, FAST], {"slow / fast": 50.0})
    console = Console(width=80, record=True)
    console.print(report.table())
    text = console.export_text()
    assert "fast" in text
    assert "20,000" in text
    assert "…" not in text
    assert report.lines() == ["slow: one at a time", "fast: in batches (model 75%, store 25%)", "slow / fast: 50.00 x"]
