from pathlib import Path

import pytest

from bench.errors import PeerError
from bench.throughput.peer_process import run_peer
from bench.throughput.peers.job import Job

JOB = Job("127.0.0.1:1", "source", "run", 8, 100, 10, "folder", 858, "copy")

GOOD = """
from bench.throughput.peers.job import Job
from bench.throughput.peers.meter import Meter
job = Job.from_argv()
assert (job.variant, job.changelog) == ("copy", "run-user-state-changelog"), job
meter = Meter(job)
print("output of a library", flush=True)
meter.add_events(30)
assert meter.add_events(70)
"""
BAD = "raise SystemExit('no such broker')"
SILENT = "import signal, sys; print('loading', file=sys.stderr, flush=True); signal.pause()"


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("good_peer", GOOD), ("bad_peer", BAD), ("silent_peer", SILENT)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_peer_reports_progress_until_its_measurement() -> None:
    progress: list[tuple[int, int]] = []
    measurement = run_peer("good_peer", JOB, lambda done, total: progress.append((done, total)))
    assert (measurement.applied, measurement.events) == (100, 70)
    assert progress == [(30, JOB.events)]


def test_a_peer_that_fails_is_quoted() -> None:
    with pytest.raises(PeerError, match=r"bad_peer ended with exit code 1 .*it wrote: no such broker"):
        run_peer("bad_peer", JOB, print)


def test_a_peer_that_stalls_is_ended() -> None:
    with pytest.raises(PeerError, match=r"silent_peer applied nothing for 1 s; it wrote: loading"):
        run_peer("silent_peer", JOB, print, stall_s=1.0)


def test_a_peer_imports_nothing_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cwd"
    folder.mkdir()
    for name in ("bench.py", "streams.py", "models.py", "state.py", "msgspec.py"):
        (folder / name).write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(folder)
    assert run_peer("good_peer", JOB, lambda done, total: None).applied == 100
