"""The sweep for silent users on a real broker: workers that are killed in it repeat no warning and lose none."""

from __future__ import annotations

import asyncio
import signal
from collections import defaultdict
from collections.abc import Callable
from functools import partial

import pytest

from streams.schema.churn import SWEEP_KEY, decode_warning
from tests.inputs import event
from tests.integration.deployment import Deploy, Deployment
from tests.integration.faults import signal_at
from tests.integration.worker import DEADLINE_S

DAY = 86_400
USERS = 1200
OVERRIDES = (
    "model.horizons=true",
    "churn.enabled=true",
    "churn.clock=stream",
    "churn.sweep_interval_s=0.2",
    "churn.users_per_s=20000",
    # An untrained model expects anything: whoever is silent is at risk, and nobody is lost.
    "churn.at_risk_p=1e-9",
    "churn.lost_p=0.999999999",
)


Levels = dict[str, list[str]]


async def levels(site: Deployment) -> Levels:
    """The levels of each user in their order, as a reader of committed records sees them."""
    levels_of_user: defaultdict[str, list[str]] = defaultdict(list)
    async for record in site.read(site.settings.topics.interest_churn):
        if record.key != SWEEP_KEY:
            warning = decode_warning(record.value)
            levels_of_user[warning.user_id].append(warning.level)
    return levels_of_user


async def wait_for(site: Deployment, is_as_expected: Callable[[Levels], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_as_expected(await levels(site)):
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("method", "number", "after"),
    [
        pytest.param("streams.kafka.fenced_producer:FencedProducer.send_offsets", 6, False, id="records-sent"),
        pytest.param("streams.worker.pipeline:Pipeline.write_beside", 2, True, id="committed"),
    ],
)
async def test_warnings_of_a_worker_killed_in_the_sweep_are_written_once(
    deploy: Deploy, method: str, number: int, after: bool
) -> None:
    site = await deploy(*OVERRIDES)
    await site.send(event(f"u{user}", user) for user in range(USERS))
    await site.send(event("active", 10 * DAY + number) for number in range(3))
    victim = site.worker(fault=partial(signal_at, method, number, signal.SIGKILL, after))
    assert await victim.ended() == -signal.SIGKILL
    back = [f"u{user}" for user in range(0, USERS, 10)]
    await site.send(event(user, 10 * DAY + 100) for user in back)
    successor = site.worker("b")
    await successor.owns()
    await site.applied()
    silent = {f"u{user}" for user in range(USERS)} - {*back}
    await wait_for(
        site,
        lambda levels_of_user: silent <= {user for user, of_user in levels_of_user.items() if of_user[-1] == "at_risk"},
    )
    await site.send([event("u1", 10 * DAY + 200)])
    await wait_for(site, lambda levels_of_user: levels_of_user["u1"][-1] == "none")
    await successor.stop()
    levels_of_user = await levels(site)
    assert levels_of_user.pop("u1") == ["at_risk", "none"]
    assert {user: levels_of_user.pop(user) for user in silent - {"u1"}} == {
        user: ["at_risk"] for user in silent - {"u1"}
    }
    # Of those who came back between the two workers, whoever the first had warned of is cleared.
    assert levels_of_user.keys() <= {*back}
    assert all(of_user == ["at_risk", "none"] for of_user in levels_of_user.values())
    await site.check(stopped=["b"])
