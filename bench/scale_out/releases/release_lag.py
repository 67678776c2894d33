"""How long it takes from a committed row to a model that has learnt it, and what releases cost who reads them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from subprocess import PIPE
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError
from bench.scale_out.local_group import LocalGroup, local_group
from bench.scale_out.releases.follower_process import Applied
from bench.scale_out.releases.row_writer import CommittedRows, RowWriter
from bench.scale_out.trainer_lines import work_in
from models.items.vocabulary import ItemVocabulary
from models.progress import ProgressCallback
from streams.kafka.topics import ensure_topics
from streams.settings.settings import Settings
from streams.worker.items.item_index import ItemIndex
from streams.worker.process.launcher import python_environment, python_module

WARMUP_S: Final = 10.0
_FIRST_S: Final = 300.0
_LAST_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class ReleaseFigures:
    """Of one rate and number of items."""

    rate_per_s: float
    items: int
    lag_p50_s: float
    """From the commit of a row until a release that contains it is applied elsewhere"""
    lag_p99_s: float
    covered_share: float
    """Of the rows, those that such a release came for; the others lag by the time until the end at least"""
    seconds_between_releases: float | None
    bytes_per_release: int | None
    apply_p50_ms: float
    """Of one release in the process that follows"""
    follower_cpu_share: float
    """Of a core: all that it takes to follow"""
    counted_per_s: float
    learnt_share: float | None
    """Of the counted events"""
    trainer_cpu_share: float
    """Of a core"""


def measure_releases(rate_per_s: float, items: int, seconds: float, on_progress: ProgressCallback) -> ReleaseFigures:
    """Rows come at the rate for so long, after WARMUP_S; a trainer learns them, another process follows its releases.

    All items are registered before. Raises BenchError, StreamError.
    """
    with local_group(workers=0, overrides=["model.threads=1"]) as group:
        return asyncio.run(_measure(group, rate_per_s, items, seconds, on_progress))


def release_lags(committed: Sequence[CommittedRows], applied: Sequence[Applied]) -> NDArray[np.float64]:
    """[n] seconds from each commit until a release that contains all its rows was applied; infinite without one."""
    time_s = np.array([state.time_s for state in applied] + [np.inf])
    first = np.zeros(len(committed), np.int64)
    for partition in {partition for rows in committed for partition in rows.ends}:
        covered = np.array([state.covered.get(partition, 0) for state in applied])
        ends = np.array([rows.ends.get(partition, 0) for rows in committed])
        first = np.maximum(first, np.searchsorted(covered, ends, side="left"))
    return np.asarray(time_s[first] - np.array([rows.time_s for rows in committed]), np.float64)


async def _measure(
    group: LocalGroup, rate_per_s: float, items: int, seconds: float, on_progress: ProgressCallback
) -> ReleaseFigures:
    settings = group.settings
    await ensure_topics(settings)
    await _register(settings, items)
    await group.start()
    follower = _Follower()
    await follower.start(settings, group)
    progress = asyncio.create_task(_show(WARMUP_S + seconds, on_progress))
    writer = RowWriter(settings, items)
    writing = asyncio.create_task(writer.run(rate_per_s, WARMUP_S + seconds))
    try:
        await asyncio.sleep(WARMUP_S)
        begin_s, log, (_, cpu_s) = time.time(), group.trainer_log(), group.cpu_s()
        await writing
        end_s, work, (_, end_cpu_s) = time.time(), work_in(group.trainer_log(), log), group.cpu_s()
        await follower.wait_for(writer.committed[-1])
    finally:
        for task in (progress, writing):
            task.cancel()
        await follower.stop()
    committed = [rows for rows in writer.committed if rows.time_s >= begin_s]
    lag = release_lags(committed, follower.applied)
    covered = np.isfinite(lag)
    lag = np.where(covered, lag, time.time() - np.array([rows.time_s for rows in committed]))
    applied = [state for state in follower.applied if begin_s <= state.time_s <= end_s]
    if len(applied) < 2:
        raise BenchError(f"{len(applied)} releases within {end_s - begin_s:.0f} s: measure for longer (--seconds)")
    return ReleaseFigures(
        rate_per_s=rate_per_s,
        items=items,
        lag_p50_s=_rounded(np.percentile(lag, 50)),
        lag_p99_s=_rounded(np.percentile(lag, 99)),
        covered_share=_rounded(covered.mean()),
        seconds_between_releases=_rounded(work.seconds / work.releases) if work.releases else None,
        bytes_per_release=work.released_bytes // work.releases if work.releases else None,
        apply_p50_ms=_rounded(1000 * np.median([state.apply_s for state in applied])),
        follower_cpu_share=_rounded((applied[-1].cpu_s - applied[0].cpu_s) / (applied[-1].time_s - applied[0].time_s)),
        counted_per_s=_rounded(work.counted / work.seconds if work.seconds else 0.0),
        learnt_share=work.learnt_share,
        trainer_cpu_share=_rounded((end_cpu_s - cpu_s) / (end_s - begin_s)),
    )


async def _register(settings: Settings, items: int) -> None:
    index = ItemIndex(settings.kafka, settings.topics.item_index, ItemVocabulary(settings.items.capacity))
    await index.start()
    try:
        await index.register([f"item-{number}" for number in range(1, items + 1)])
    finally:
        await index.stop()


async def _show(seconds: float, on_progress: ProgressCallback) -> None:
    begin_s = time.monotonic()
    while True:
        on_progress(min(int(time.monotonic() - begin_s), int(seconds)), int(seconds))
        await asyncio.sleep(0.5)


class _Follower:
    """The process of follower_process, and what it says."""

    def __init__(self) -> None:
        self.applied: list[Applied] = []
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, settings: Settings, group: LocalGroup) -> None:
        """Returns once it has the model."""
        self._process = await asyncio.create_subprocess_exec(
            *python_module("bench.scale_out.releases.follower_process", *group.overrides),
            stdin=PIPE,  # closes when this process ends
            stdout=PIPE,
            start_new_session=True,
            env=python_environment(),
        )
        self._reading = asyncio.create_task(self._read(self._process))
        await self._until(lambda: bool(self.applied), _FIRST_S)
        if not self.applied:
            await self.stop()
            raise BenchError(
                f"no release of the model was applied within {_FIRST_S:.0f} s.\n{group.trainer.log_tail()}"
            )

    async def wait_for(self, rows: CommittedRows) -> None:
        """Until a release that contains them is applied, or some time has passed."""
        await self._until(lambda: bool(np.isfinite(release_lags([rows], self.applied)).all()), _LAST_S)

    async def stop(self) -> None:
        """Ends the process."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            self._reading.cancel()

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while not condition() and time.monotonic() < end_s:
            if self._process is not None and self._process.returncode is not None:
                raise BenchError(f"the process that follows the releases ended with code {self._process.returncode}")
            await asyncio.sleep(0.1)

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        decode = msgspec.json.Decoder(Applied).decode
        async for line in process.stdout:
            self.applied.append(decode(line))


def _rounded(value: np.floating | float) -> float:
    return round(float(value), 3)
