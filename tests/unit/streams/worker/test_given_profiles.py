"""user.upsert through the worker: what it says is in the user's row, exactly once and in order."""

from collections.abc import Callable

import numpy as np
import orjson

from models.data.user_profile import stored_profiles
from models.data.user_row import user_row_fields
from state.rows import RowLayout
from tests.driver.worker_driver import WorkerDriver
from tests.inputs import Input, delete, event

PROFILES = ("model.user_features=2", "model.user_numbers=age")


def upsert(user: str, *features: float, **numbers: float) -> Input:
    fields = {"event_type": "user.upsert", "user_id": user, "features": features, "numbers": numbers}
    return user.encode(), orjson.dumps(fields)


def stored(driver: WorkerDriver) -> dict[str, list[float | None]]:
    """Profiles of all rows in the changelog; None where a number is missing."""
    layout = RowLayout(user_row_fields(driver.settings.model))
    values: dict[bytes, bytes | None] = {}
    for record in driver.committed(driver.settings.changelog_topic):
        if not (record.key or b"").startswith(b"\0"):
            values[record.key or b""] = record.value
    present = {key.decode(): value for key, value in values.items() if value is not None}
    profiles = stored_profiles(layout.unpack(list(present.values())))
    return {
        user: [None if np.isnan(number) else round(float(number), 4) for number in profile]
        for user, profile in zip(present, profiles, strict=True)
    }


async def test_the_newest_profile_is_in_the_row_and_is_no_event(
    make_driver: Callable[..., WorkerDriver],
) -> None:
    driver = make_driver(*PROFILES)
    worker = await driver.start(engine=None)
    driver.send([upsert("u1", 1, 2, age=30), event("u1", 0), event("u2", 1), upsert("u1", 3), event("u1", 2)])
    driver.send([upsert("alone", 5, 6)])
    await worker.apply_all()
    rows = await driver.check(worker)
    assert {user: row.count for user, row in rows.items() if row.count} == {"u1": 2, "u2": 1}
    assert stored(driver) == {"u1": [3, None, None], "u2": [None] * 3, "alone": [5, 6, None]}
    assert all(record.key != b"alone" for record in driver.committed(driver.topics.interest_predictions))
    driver.send([event("alone", 3), event("u1", 4)])
    await worker.apply_all()
    assert stored(driver)["alone"] == [5, 6, None]
    assert stored(driver)["u1"] == [3, None, None]
    await driver.check(worker)
    await worker.stop()


async def test_a_deleted_user_has_no_profile_but_one_that_came_later(make_driver: Callable[..., WorkerDriver]) -> None:
    driver = make_driver(*PROFILES)
    worker = await driver.start(engine=None)
    driver.send([upsert("gone", 1), event("gone", 0), upsert("back", 1), event("back", 1)])
    await worker.apply_all()
    driver.send([upsert("gone", 2), delete("gone"), delete("back"), upsert("back", 7, age=0)])
    await worker.apply_all()
    assert stored(driver) == {"back": [7, None, 0]}
    await worker.stop()


async def test_a_model_that_reads_no_profiles_leaves_them_out(driver: WorkerDriver) -> None:
    worker = await driver.start()
    driver.send([upsert("alone", 5, 6), event("u1", 0), upsert("u1", 1)])
    await worker.apply_all()
    rows = await driver.check(worker)
    assert {user: row.count for user, row in rows.items()} == {"u1": 1}
    assert not driver.committed(driver.topics.user_events_dlq)
    await worker.stop()
