"""Errors of the machine under a real worker: it ends with 70 and a line that says what to do, and goes on after it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.integration.faults import become_user, limit_open_files
from tests.integration.worker import Worker

Disk = Callable[[Path, str], None]
_NOBODY = 65534
_ELSEWHERE = ", or set worker.data_dir"


@pytest.fixture
def disk() -> Iterator[Disk]:
    """Mounts a file system in memory, with these options; mounts it anew where it is mounted."""
    mounted: list[Path] = []

    def mount(folder: Path, options: str) -> None:
        folder.mkdir(exist_ok=True)
        again = "remount," if folder in mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no `mount` here")
        if done.returncode:
            pytest.skip(f"this user may not mount: {done.stderr.strip()}")
        if not again:
            mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


async def cure_of(worker: Worker) -> str:
    """The line with which it ends."""
    assert await worker.ended() == 70, worker.text()
    assert "Traceback" not in worker.text()
    last = worker.text().splitlines()[-1]
    assert "CRITICAL" in last, worker.text()
    return last.partition(": stopping: ")[2]


async def goes_on(site: Deployment) -> None:
    """All that was sent is applied once the machine is mended, and nothing twice."""
    await site.finish(site.worker())
    await site.check(stopped=["a"])


@pytest.mark.slow
async def test_a_full_disk(deploy: Deploy, disk: Disk) -> None:
    site = await deploy()
    disk(site.data_dir(), "size=200k")
    worker = site.worker()
    await site.send(round_robin_event(n, users=1000) for n in range(1000))
    cure = await cure_of(worker)
    assert "o space" in cure
    assert _ELSEWHERE in cure
    disk(site.data_dir(), "size=200m")
    await goes_on(site)


async def test_a_disk_that_is_mounted_read_only(deploy: Deploy, disk: Disk) -> None:
    site = await deploy()
    disk(site.data_dir(), "size=200m,ro")
    cure = await cure_of(site.worker())
    assert f"{site.data_dir()}" in cure
    assert "is on a file system that is mounted read-only: mount it writable" in cure
    assert _ELSEWHERE in cure


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
async def test_a_folder_of_another_user(deploy: Deploy) -> None:
    site = await deploy()
    site.data_dir().mkdir(mode=0o700)
    cure = await cure_of(site.worker(fault=partial(become_user, _NOBODY)))
    assert f"{site.data_dir()}" in cure
    assert "cannot be used by user nobody (/" in cure
    assert "belongs to root): change its owner or permissions" in cure
    assert _ELSEWHERE in cure


@pytest.mark.parametrize("limit", [20, 36])  # too few for Python's event loop, for RocksDB
async def test_too_many_open_files(deploy: Deploy, limit: int) -> None:
    site = await deploy()
    await site.send(round_robin_event(n) for n in range(100))
    cure = await cure_of(site.worker(fault=partial(limit_open_files, limit)))
    assert "oo many open files" in cure
    assert "`ulimit -n 65536`" in cure
    await goes_on(site)
