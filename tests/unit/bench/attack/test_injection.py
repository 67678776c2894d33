import numpy as np
import pytest

from bench.attack.injection import ATTACKS, attacked
from bench.errors import BenchError
from tests.unit.bench.small_logs import make_log, random_log

LOG = random_log(events=2000).events


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_few_users_add_events_of_one_item_to_the_last_part(attack: str) -> None:
    clean, log = attacked(LOG, None, 0.05, 0.5), attacked(LOG, attack, 0.05, 0.5)
    assert (log.begin, log.target, log.attackers.tolist()) == (1400, clean.target, clean.attackers.tolist())
    assert len(log.attackers) == 3
    assert len(log.events) == 2300
    assert (np.diff(log.events.time_ms) >= 0).all()
    for name in ("user", "item", "time_ms"):
        assert np.array_equal(getattr(log.events, name)[:1400], getattr(LOG, name)[:1400])
    by_attackers = np.isin(log.events.user, log.attackers)
    others = ~np.isin(LOG.user, log.attackers)
    assert np.array_equal(log.events.item[~by_attackers], LOG.item[others])
    pushed = np.count_nonzero(log.events.item == log.target) - np.count_nonzero(LOG.item == log.target)
    assert pushed == pytest.approx(150 if attack == "pairs" else 300, abs=15)


def test_the_target_is_an_item_of_median_popularity() -> None:
    log = make_log([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 1, 1, 2, 2, 3, 3, 1, 1, 1]).events
    assert attacked(log, "flood", 0.1, 1.0).target == 3


def test_a_flood_is_sent_ten_times_a_second() -> None:
    log = attacked(LOG, "flood", 0.001, 0.5)
    times = log.events.time_ms[np.isin(log.events.user, log.attackers)]
    assert np.count_nonzero(np.diff(times) == 100) > 250


def test_a_log_without_events_is_an_error() -> None:
    with pytest.raises(BenchError, match="too few"):
        attacked(LOG[:1], "flood", 0.1, 0.1)
