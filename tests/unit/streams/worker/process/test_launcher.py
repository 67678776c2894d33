import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.errors import StreamError
from streams.worker.process.launcher import WorkerEndedError, WorkerProcess

ROOT = Path(__file__).parents[5]


@pytest.fixture
def worker(tmp_path: Path) -> WorkerProcess:
    """One that ends at once, for want of a good setting."""
    return WorkerProcess(["worker.nothing=1"], tmp_path / "worker.log")


def test_a_worker_that_was_never_started_is_nothing_to_stop(worker: WorkerProcess) -> None:
    assert worker.exit_code is None
    assert worker.stop() is None
    worker.check()


async def test_a_worker_that_ends_says_why(worker: WorkerProcess) -> None:
    worker.start()
    with pytest.raises(WorkerEndedError, match=r"(?s)ended with code 1.*unknown key worker\.nothing"):
        await worker.wait_ready(deadline_s=120.0)
    assert worker.stop() == 1


async def test_a_worker_takes_file_and_recipe(tmp_path: Path) -> None:
    worker = WorkerProcess([], tmp_path / "worker.log", tmp_path / "none.toml", "luck")
    worker.start()
    with pytest.raises(
        WorkerEndedError, match=r"(?s)--recipe luck: there is no such recipe.*none\.toml: can't be read"
    ):
        await worker.wait_ready(deadline_s=120.0)
    assert worker.stop() == 1


@pytest.mark.slow
async def test_a_worker_without_a_broker_is_never_ready_and_stops_when_told(tmp_path: Path) -> None:
    worker = WorkerProcess(
        ["kafka.bootstrap_servers=127.0.0.1:1", f"worker.data_dir={tmp_path / 'data'}"], tmp_path / "worker.log"
    )
    worker.start()
    try:
        while "waiting for a Kafka broker" not in worker.log_tail():
            worker.check()
            await asyncio.sleep(0.1)
        with pytest.raises(StreamError, match="was not ready after 0 s"):
            await worker.wait_ready(deadline_s=0.3)
    finally:
        assert worker.stop() == 0


@pytest.mark.slow
async def test_a_worker_imports_nothing_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = "raise RuntimeError('imported from the current folder')"
    for name in ("models.py", "streams.py", "bench.py", "json.py", "typer.py"):
        (tmp_path / name).write_text(shadow)
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "__init__.py").write_text(shadow)
    (tmp_path / "own.toml").write_text("[kafka]\nbootstrap_servers = '127.0.0.1:2'\n")  # a relative path is found
    monkeypatch.chdir(tmp_path)
    worker = WorkerProcess(["worker.data_dir=data"], Path("worker.log"), Path("own.toml"))
    worker.start()
    try:
        while "waiting for a Kafka broker at 127.0.0.1:2" not in worker.log_tail():
            worker.check()
            await asyncio.sleep(0.1)
    finally:
        assert worker.stop() == 0


def test_the_process_ends_with_its_standard_input() -> None:
    program = (
        "import time; from streams.worker.process.launcher import end_with_stdin; end_with_stdin(); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, cwd=ROOT)
    assert process.stdin is not None
    time.sleep(0.5)
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(60) == 1
