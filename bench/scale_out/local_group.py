"""A group of workers and its trainer, each a process, on a Kafka of their own; all of it ends with this process."""

from __future__ import annotations

import asyncio
import re
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from bench.errors import BenchError
from streams.kafka.topics import ensure_topics
from streams.local_kafka.cluster import LocalKafka
from streams.settings.settings import Settings, load_settings
from streams.worker.process.launcher import WorkerProcess

_READY_S = 180.0  # on a busy machine
_OWNED = re.compile(r"own partitions \[([\d, ]+)\]")


class LocalGroup:
    """Processes over a Kafka that runs; `local_group` makes it."""

    def __init__(self, overrides: Sequence[str], folder: Path, workers: int) -> None:
        overrides = [
            *overrides,
            "trainer.mode=external",
            f"trainer.trained_dir={folder / 'trained'}",  # empty: the model is learnt from nothing
        ]
        self.overrides = overrides
        self.settings: Settings = load_settings(None, overrides)
        self.trainer = _process(overrides, folder, "trainer")
        self.workers = [_process(overrides, folder, f"worker-{number}") for number in range(workers)]

    async def start(self) -> None:
        """Returns once the trainer trains and the workers share all partitions. Raises StreamError, BenchError."""
        await ensure_topics(self.settings)
        for process in (self.trainer, *self.workers):
            process.start()
        for process in (self.trainer, *self.workers):
            await process.wait_ready(_READY_S)
        end_s = asyncio.get_running_loop().time() + _READY_S
        partitions = range(self.settings.topics.partitions if self.workers else 0)
        while (owned := self._owned_partitions()) != list(partitions):
            self.check()
            if asyncio.get_running_loop().time() > end_s:
                raise BenchError(f"the workers do not share the partitions: they own {owned}")
            await asyncio.sleep(0.1)

    def check(self) -> None:
        """Raises WorkerEndedError where a process has ended."""
        for process in (self.trainer, *self.workers):
            process.check()

    def cpu_s(self) -> tuple[float, float]:
        """CPU time so far of all workers, and of the trainer."""
        return sum(map(_cpu_s, self.workers)), _cpu_s(self.trainer)

    def trainer_log(self) -> str:
        """All that the trainer has logged."""
        return self.trainer.log.read_text(errors="replace")

    def stop(self) -> None:
        """Stops all processes in order: workers write their last records, then the trainer its last release."""
        for worker in self.workers:
            worker.send_signal(signal.SIGTERM)
        for process in (*self.workers, self.trainer):
            process.stop()

    def _owned_partitions(self) -> list[int]:
        owned: list[int] = []
        for worker in self.workers:
            lines = _OWNED.findall(worker.log.read_text(errors="replace"))
            owned += map(int, lines[-1].split(",")) if lines else ()
        return sorted(owned)


@contextmanager
def local_group(workers: int, overrides: Sequence[str] = ()) -> Iterator[LocalGroup]:
    """A group of so many workers, not started yet. Raises KafkaStartError."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="interest-bench-")))
        # Compaction would remove what is read after the run.
        kafka = stack.enter_context(LocalKafka(settings={"log.cleaner.enable": "false"}))
        group = LocalGroup([f"kafka.bootstrap_servers={kafka.bootstrap_servers}", *overrides], folder, workers)
        stack.callback(group.stop)
        yield group


def _process(overrides: Sequence[str], folder: Path, name: str) -> WorkerProcess:
    settings = [*overrides, f"worker.data_dir={folder / name}"]
    return WorkerProcess(settings, folder / f"{name}.log", command="trainer" if name == "trainer" else "worker")


def _cpu_s(process: WorkerProcess) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system
