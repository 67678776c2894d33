from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from streams.releases.release_topic import WrittenRelease
from streams.settings.settings import load_settings
from streams.trainer.changelog_feed import FeedLag
from streams.trainer.metrics import TrainerMetrics
from streams.trainer.model import Counted, TrainStep


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> TrainerMetrics:
    return TrainerMetrics(load_settings(None, ["monitoring.live_timeout_s=60"]), registry)


def test_what_is_counted_learnt_and_released_is_summed(metrics: TrainerMetrics, registry: CollectorRegistry) -> None:
    for _ in range(2):
        metrics.add_counted(Counted(50, 1))
        metrics.add_step(TrainStep(20, 0.5), 0.3)
        metrics.add_release(WrittenRelease(7, 4, 1000))
    metrics.add_round(FeedLag(3, 1.5))
    assert {
        name: registry.get_sample_value(f"interest_{name}")
        for name in (
            "trainer_counted_events_total",
            "trainer_missed_events_total",
            "trainer_learnt_events_total",
            "trainer_left_out_events_total",
            "train_step_duration_seconds_sum",
            "written_releases_total",
            "written_release_bytes_total",
            "trainer_lag_records",
            "learning_share_limit_ratio",
        )
    } == {
        "trainer_counted_events_total": 100,
        "trainer_missed_events_total": 2,
        "trainer_learnt_events_total": 40,
        "trainer_left_out_events_total": 1,
        "train_step_duration_seconds_sum": 0.6,
        "written_releases_total": 2,
        "written_release_bytes_total": 2000,
        "trainer_lag_records": 3,
        "learning_share_limit_ratio": 0.5,
    }


def test_a_standby_is_ready_and_alive_and_a_term_that_stands_still_is_not(
    metrics: TrainerMetrics, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("streams.monitoring.health.time", SimpleNamespace(monotonic=lambda: now_s[0]))
    assert not metrics.ready().ok
    metrics.stand_by()
    assert metrics.ready().ok
    assert metrics.live().ok
    now_s[0] += 3600
    assert metrics.live().ok
    assert registry.get_sample_value("interest_trainer_elected") == 0
    metrics.train()
    assert registry.get_sample_value("interest_trainer_elected") == 1
    assert metrics.ready().reason == "training"
    assert metrics.live().ok
    now_s[0] += 61
    assert not metrics.live().ok
    metrics.add_round(FeedLag(0, None))
    assert metrics.live().ok
