"""The demo as a command: what it prints, what it writes, and that nothing of it stays."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KEYS = {
    "events_in", "events_applied", "predictions", "users", "lost", "doubled", "rejected", "recall_at_10",
    "popularity_recall_at_10", "events_per_s", "latency_ms", "quality", "faults", "experiment",
}  # fmt: skip


# Where a test asks nothing of what is learnt: importing PyTorch takes seconds, and the trainer is a process of its own.
WITHOUT_TRAINER = "--set=trainer.mode=external"


def left_in(folder: Path) -> list[str]:
    """What the demo left behind; PyTorch's optimizers make an empty cache folder for the user there."""
    return [path.name for path in folder.iterdir() if not path.name.startswith("torchinductor_")]


def start(tmp_path: Path, *words: str) -> "subprocess.Popen[str]":
    # As a shell script starts its background jobs: with SIGINT ignored.
    background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    program = [*background, sys.executable, "-m", "streams.cli", "demo", *words]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("INTEREST_")}
    environment["TMPDIR"] = str(tmp_path)
    return subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT, env=environment
    )


def demo(tmp_path: Path, *words: str) -> tuple[str, dict[str, Any]]:
    """Output and summary of a demo that ended well."""
    process = start(tmp_path, *words, "--json", str(tmp_path / "summary.json"))
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary.keys() == KEYS
    (tmp_path / "summary.json").unlink()
    assert left_in(tmp_path) == []
    return output, summary


def test_a_made_up_stream_is_learnt_and_every_event_and_decision_counts_once(tmp_path: Path) -> None:
    output, summary = demo(tmp_path, "--seconds", "12", "--decisions")
    assert output.startswith("live page: http://127.0.0.1:")
    assert "/#/experiments/shelf" in output.splitlines()[1]
    assert "✓ rows and last predictions match the input exactly" in output
    assert summary["events_in"] == summary["events_applied"] == summary["predictions"] == 4800
    assert (summary["lost"], summary["doubled"], summary["rejected"], summary["faults"]) == (0, 0, 0, [])
    assert 500 <= summary["users"] <= 600
    assert summary["recall_at_10"] > summary["popularity_recall_at_10"] > 0
    quality = summary["quality"]
    assert quality["events"] == 4800
    assert 0 < quality["scored"] < 4800  # a quarter, or less where the machine is busy and batches become large
    assert quality["recall_at_10"] > quality["popularity"]["recall_at_10"] > 0
    assert quality["log_loss"] < quality["popularity"]["log_loss"]
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]
    at_random, learning = summary["experiment"]["arms"]
    assert at_random["decisions"] + learning["decisions"] > 1000
    assert min(at_random["users"], learning["users"]) > 150
    assert summary["experiment"]["sample_ratio"]["is_right"]
    assert summary["experiment"]["history"]


def test_a_log_with_its_items_of_which_one_record_cannot_be_used(tmp_path: Path) -> None:
    log, items = tmp_path / "log.jsonl", tmp_path / "log.item"
    lines = [
        {"user_id": f"u{n % 90}", "item_id": f"i{n * n % 400}", "rating": 1 + n % 5, "timestamp": 880_000_000 + n}
        for n in range(3000)
    ]
    lines[7]["user_id"] = "\0u1"  # a log may have it, but these ids are reserved
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    titles = [f"i{n}\tItem {n}\tDrama Comedy" for n in range(400)]
    items.write_text("\n".join(["item_id:token\tmovie_title:token_seq\tclass:token_seq", *titles]))
    words = ["--events", str(log), "--items", str(items), "--rate", "max", WITHOUT_TRAINER]
    process = start(tmp_path, *words, "--json", str(tmp_path / "summary.json"))
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["events_in"], summary["events_applied"], summary["rejected"]) == (3000, 2999, 1)
    assert summary["predictions"] <= summary["events_applied"]
    assert (summary["lost"], summary["doubled"], summary["faults"]) == (0, 0, [])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_running_however_it_ends(tmp_path: Path, how: signal.Signals) -> None:
    """The demo treats SIGTERM as SIGINT: it comes while the worker starts, the others while all of it runs."""
    process = start(tmp_path, "--seconds", "300")
    assert process.stdout is not None
    address, user = re.findall(r"http://\S+", process.stdout.readline())
    if how is not signal.SIGTERM:
        for line in process.stdout:
            if "sending events" in line:
                break
        assert httpx.get(f"{address}v1/truth/{user.rpartition('/')[2]}").json()["points"]
    assert httpx.get(address).headers["content-type"].startswith("text/html")
    family = psutil.Process(process.pid).children(recursive=True)
    assert {"java", "python"} <= {process.name().rstrip("0123456789.") for process in started(tmp_path)}
    process.send_signal(how)
    process.communicate(timeout=120)
    assert process.returncode == (-signal.SIGKILL if how is signal.SIGKILL else 130)
    end = time.monotonic() + 120
    while left := [
        process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    ] + started(tmp_path):
        assert time.monotonic() < end, left
        time.sleep(0.1)  # grandchildren: nothing of ours to wait on
    if how is not signal.SIGKILL:
        assert left_in(tmp_path) == []


def started(folder: Path) -> list[psutil.Process]:
    """Processes whose command line names the folder."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and any(str(folder) in word for word in process.info["cmdline"] or [])
    ]
