"""Whatever fails at whatever point of whatever transaction, each event counts once."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.driver.broker import ProcessKilled
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, delete, event, several


@dataclass(frozen=True)
class Action:
    """Input that arrives in a transaction of its own, and what fails while it is applied."""

    input: list[Input]
    aborted: bool
    fault: type[Exception] | None
    method: str
    call: int
    after: bool
    folder: str
    """Of the worker that is started after a kill"""


USERS = st.sampled_from(["a", "b", "c", "d"])
INPUTS = st.one_of(
    st.builds(event, USERS, st.integers(0, 99)),
    st.builds(event, USERS, st.integers(0, 99)),
    st.builds(several, USERS, st.integers(0, 99), st.just("i1"), st.sampled_from(["i2", None]), st.just("i3")),
    st.builds(delete, USERS),
    st.just((b"a", b"{")),
)
ACTIONS = st.builds(
    Action,
    input=st.lists(INPUTS, min_size=1, max_size=12),
    aborted=st.booleans(),
    fault=st.sampled_from([None, KafkaError, ProcessKilled]),
    method=st.sampled_from(["begin_transaction", "send_batch", "send_offsets", "commit_transaction"]),
    call=st.integers(1, 2),
    after=st.booleans(),
    folder=st.sampled_from(["a", "b"]),
)


@settings(max_examples=15, deadline=None)
@given(st.lists(ACTIONS, min_size=1, max_size=6))
def test_each_event_counts_once(actions: list[Action]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        asyncio.run(run(Path(folder), monkeypatch, actions))


async def run(folder: Path, monkeypatch: pytest.MonkeyPatch, actions: list[Action]) -> None:
    driver = WorkerDriver(folder, monkeypatch)
    worker = await driver.start()
    for action in actions:
        driver.send(action.input, transactional_id="producer")
        driver.broker.end_transaction("producer", "aborted" if action.aborted else "committed")
        if action.fault is not None:
            driver.faults.raise_at(action.method, action.fault(), call=action.call, after=action.after)
        applied = False
        while not applied:
            try:
                await worker.apply_all()
                applied = True
            except ProcessKilled:
                await worker.kill()
                worker = await driver.start(action.folder)
    driver.faults.clear()
    comparison = await driver.compare()
    assert comparison.exact, str(comparison)
    await worker.stop()
    await driver.close()
