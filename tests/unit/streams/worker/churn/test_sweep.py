"""The sweep for silent users through the worker, without Kafka: each user has each level once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaConnectionError

from streams.errors import SettingsError
from streams.schema.churn import SWEEP_KEY, ChurnWarning, decode_position, decode_warning
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, delete, event

DAY = 86_400
SILENT = [f"u{number}" for number in range(6)]
OVERRIDES = (
    "model.horizons=true",
    "churn.enabled=true",
    "churn.clock=stream",
    "churn.sweep_interval_s=0",
    # An untrained model expects anything: whoever is silent is at risk, and nobody is lost.
    "churn.at_risk_p=1e-9",
    "churn.lost_p=0.999999999",
)


def later(user: str, days: float) -> Input:
    """An event so many days after the first: before the record's time, which replaces times that lie behind it."""
    return event(user, round((days - 40) * DAY))


def warnings(driver: WorkerDriver) -> list[tuple[str, str]]:
    """User and level of each committed record; level "" where it erases the user."""
    records = [r for r in driver.committed(driver.topics.interest_churn) if r.key != SWEEP_KEY]
    return [((r.key or b"").decode(), "" if r.value is None else decode_warning(r.value).level) for r in records]


@pytest.fixture
async def silent(make_driver: Callable[..., WorkerDriver]) -> WorkerDriver:
    """Six users who did nothing in ten days, and one who did."""
    driver = make_driver(*OVERRIDES)
    driver.send([later(user, number / 10) for number, user in enumerate(SILENT)])
    driver.send([later("active", 0), later("active", 10)])
    return driver


async def test_a_silent_user_is_warned_of_once(silent: WorkerDriver) -> None:
    worker = await silent.start(engine=None)
    await worker.apply_all()
    await worker.sweep()
    assert sorted(warnings(silent)) == [(user, "at_risk") for user in SILENT]
    await worker.sweep()
    assert len(warnings(silent)) == len(SILENT)
    (record,) = [r for r in silent.committed(silent.topics.interest_churn) if r.key == b"u3"]
    warning = decode_warning(record.value or b"")
    assert isinstance(warning, ChurnWarning)
    assert warning.silent_days == pytest.approx(9.7)
    assert warning.last_event_time == warning.since - 9.7 * DAY * 1000
    assert warning.items[0] == "i1"
    assert 0 < warning.no_event_p < 1
    assert warning.state_version == 1
    await silent.check(worker)
    await worker.stop()


async def test_who_comes_back_is_cleared_and_may_fall_silent_again(silent: WorkerDriver) -> None:
    worker = await silent.start(engine=None)
    await worker.apply_all()
    await worker.sweep()
    silent.send([later("u1", 11), later("u2", 11)])
    await worker.apply_all()
    await worker.sweep()
    cleared = [(user, level) for user, level in warnings(silent) if level == "none"]
    assert sorted(cleared) == [("u1", "none"), ("u2", "none")]
    silent.send([later("active", 30)])
    await worker.apply_all()
    await worker.sweep()
    assert [level for user, level in warnings(silent) if user == "u1"] == ["at_risk", "none", "at_risk"]
    assert [level for user, level in warnings(silent) if user == "u5"] == ["at_risk"]
    await worker.stop()


async def test_a_successor_repeats_no_warning_and_clears_who_came_back(silent: WorkerDriver) -> None:
    first = await silent.start("a", engine=None)
    await first.apply_all()
    await first.sweep(1)
    begun = warnings(silent)
    await first.sweep()
    await first.kill()
    silent.send([later("u4", 10.5)])
    second = await silent.start("b", engine=None)
    await second.apply_all()
    await second.sweep()
    assert begun
    assert sorted(warnings(silent)) == sorted([(user, "at_risk") for user in SILENT] + [("u4", "none")])
    await silent.check(second)
    await second.stop()


@pytest.mark.parametrize("call", ["send_offsets", "commit_transaction"])
async def test_what_a_failed_transaction_was_to_say_is_said_once(silent: WorkerDriver, call: str) -> None:
    worker = await silent.start(engine=None)
    await worker.apply_all()
    silent.faults.raise_at(call, KafkaConnectionError())
    await worker.sweep(1)
    await worker.wait_open()
    await worker.sweep()
    assert sorted(warnings(silent)) == [(user, "at_risk") for user in SILENT]
    await silent.check(worker)
    await worker.stop()


async def test_without_horizons_a_worker_says_what_is_missing(make_driver: Callable[..., WorkerDriver]) -> None:
    driver = make_driver("churn.enabled=true")
    with pytest.raises(SettingsError, match="churn"):
        await driver.start(engine=None)


async def test_a_deleted_user_is_erased_and_not_warned_of(silent: WorkerDriver) -> None:
    worker = await silent.start(engine=None)
    await worker.apply_all()
    await worker.sweep()
    silent.send([delete("u0")])
    await worker.apply_all()
    await worker.sweep()
    assert [level for user, level in warnings(silent) if user == "u0"] == ["at_risk", ""]
    await worker.stop()


async def test_a_pass_goes_on_where_the_owner_before_was(
    make_driver: Callable[..., WorkerDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.churn.sweep.CHUNK_USERS", 2)
    driver = make_driver(*OVERRIDES, "churn.sweep_interval_s=1000000", "topics.partitions=1")
    driver.send([later(f"s{number}", 0) for number in range(5)] + [later("zz", 10)])
    first = await driver.start("a", engine=None)
    await first.apply_all()
    await first.sweep(1)
    assert [user for user, _ in warnings(driver)] == ["s0", "s1"]
    await first.kill()
    second = await driver.start("b", engine=None)
    await second.apply_all()
    await second.sweep(1)
    assert [user for user, _ in warnings(driver)] == ["s0", "s1", "s2", "s3"]
    await second.sweep()
    assert [user for user, _ in warnings(driver)] == ["s0", "s1", "s2", "s3", "s4"]
    positions = [r for r in driver.committed(driver.topics.interest_churn) if r.key == SWEEP_KEY]
    assert decode_position(positions[-1].value or b"").is_done
    await second.stop()


async def test_of_many_to_be_warned_of_some_wait_for_the_next_call(
    make_driver: Callable[..., WorkerDriver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.worker.churn.sweep.MOST_WARNED", 2)
    driver = make_driver(*OVERRIDES, "churn.sweep_interval_s=1000000", "topics.partitions=1")
    driver.send([later(f"s{number}", 10 if number in (1, 4) else 0) for number in range(7)])
    worker = await driver.start("a", engine=None)
    await worker.apply_all()
    warned = []
    for _ in range(4):
        await worker.sweep(1)
        warned.append([user for user, _ in warnings(driver)])
    assert warned[0] == ["s0", "s2"]
    assert warned[1] == ["s0", "s2", "s3", "s5"]
    assert warned[2] == warned[3] == ["s0", "s2", "s3", "s5", "s6"]
    positions = [r for r in driver.committed(driver.topics.interest_churn) if r.key == SWEEP_KEY]
    assert [decode_position(r.value or b"").after for r in positions] == ["s2", "s5", "s6"]
    await worker.stop()
