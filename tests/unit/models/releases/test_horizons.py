"""Heads of `model.horizons` from the trainer to workers, through releases and checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import checkpoint
from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.horizons.horizon_days import DAY_S, HORIZON_DAYS
from models.data.user_row import user_row_fields
from models.data.user_state import new_user_states
from models.errors import HorizonsError, WeightsError
from models.experts.candidates import CandidateSizes
from models.experts.popular_interest import REUSED_PREDICTIONS
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.releases.stream_trainer import StreamTrainer
from state.rows import RowLayout
from tests.unit.models.releases.cluster import USERS, Cluster

START_MS = 1_700_000_000_000
LEARNING = LearnerConfig(events_per_step=8, min_window_s=0, panel_users=32)


@pytest.fixture
def cluster(config: ModelConfig, items: ItemVocabulary) -> Cluster:
    """Whose trainer has seen ten days."""
    cluster = Cluster(replace(config, horizons=True), items, learning=LEARNING)
    for day in range(10):
        user = np.arange(USERS)
        time_ms = START_MS + day * DAY_S * 1000 + user * 1000
        batch = EventBatch(user, (user + day) % 30 + 1, np.full(USERS, 2), time_ms)
        cluster.step(0, batch)
        step = cluster.steps[0][-1]
        cluster.trainer.observe(step.rows, step.new_events, np.arange(1, USERS + 1, dtype=np.uint32))
        cluster.trainer.train_step(partial=True)
    cluster.read[0] = len(cluster.steps[0])
    return cluster


def test_workers_have_the_outlook_of_the_trainer(cluster: Cluster) -> None:
    rows, silent_s = cluster.rows[0], np.linspace(0, 20 * DAY_S, USERS)
    before = cluster.engines[0].outlook(rows, silent_s)
    release = cluster.release()
    assert release.horizons
    outlooks = [engine.outlook(rows, silent_s) for engine in (*cluster.engines, cluster.trainer._engine)]
    for outlook in outlooks:
        np.testing.assert_array_equal(outlook.return_p, outlooks[0].return_p)
    assert outlooks[0].return_p.shape == (USERS, len(HORIZON_DAYS))
    assert (outlooks[0].return_p != before.return_p).any()
    assert ((outlooks[0].return_p > 0) & (outlooks[0].return_p < 1)).all()
    assert not cluster.release().horizons  # nothing has changed since


def test_an_outlook_lists_items_and_categories_of_each_horizon(cluster: Cluster) -> None:
    cluster.release()
    outlook = cluster.engines[0].outlook(cluster.rows[0], np.zeros(USERS))
    assert outlook.item.shape == outlook.item_p.shape == (USERS, len(HORIZON_DAYS), 10)
    assert outlook.category.shape == (USERS, len(HORIZON_DAYS), 4) or outlook.category.shape[2] == 5
    assert (outlook.item[:, :, 0] > 0).all()
    assert (np.diff(outlook.item_p, axis=2) <= 0).all()
    assert (outlook.item_p.sum(2) <= 1 + 1e-5).all()


def test_interest_over_a_horizon_is_learnt_once_it_has_passed(cluster: Cluster) -> None:
    """Labels of a day and of a week are due after ten days, those of a month are not."""
    gate = cluster.trainer._horizons._learner.model.interest  # type: ignore[union-attr]
    steps = gate.state()["steps"]  # [items and categories, horizons]
    assert (steps[:, :2] > 0).all()
    assert not steps[:, 2].any()


def test_right_after_an_event_return_is_what_it_is_a_moment_later(cluster: Cluster) -> None:
    """A step asks by a table of what every bucket gives now."""
    cluster.release()
    engine, rows = cluster.engines[0], cluster.rows[0]
    now, later = (engine.return_p(rows, np.full(USERS, silent_s)) for silent_s in (0.0, 1e-3))
    np.testing.assert_allclose(now, later, rtol=1e-4)


def test_a_trainer_takes_rows_as_workers_store_them(cluster: Cluster) -> None:
    """With offset, chain and lineage beside what the model knows."""
    learner = cluster.trainer._horizons._learner
    assert learner is not None
    waiting, rows = len(learner.interest), RowLayout(user_row_fields(cluster.config)).new(USERS)
    for name in cluster.rows[0].dtype.names or ():
        rows[name] = cluster.rows[0][name]
    rows["last_time_ms"] += DAY_S * 1000
    cluster.trainer.observe(rows, np.ones(USERS, np.int64), np.arange(1, USERS + 1, dtype=np.uint32))
    assert len(learner.interest) > waiting


def test_users_without_events_and_none_at_all_have_an_outlook(cluster: Cluster) -> None:
    engine = cluster.engines[1]
    outlook = engine.outlook(cluster.rows[1], np.full(USERS, 1e9))
    assert np.isfinite(outlook.return_p).all()
    assert len(engine.outlook(cluster.rows[1][:0], np.zeros(0))) == 0


def test_a_row_of_another_lineage_has_the_outlook_of_its_history(cluster: Cluster) -> None:
    cluster.release()
    rows, silent_s, engine = cluster.rows[0], np.zeros(USERS), cluster.engines[0]
    broken = rows.copy()
    broken["h"] = 0.7
    lineage = np.full(USERS, 99, np.uint32)
    rebuilt = engine.outlook(broken, silent_s, lineage).return_p
    np.testing.assert_allclose(rebuilt, engine.outlook(rows, silent_s, lineage).return_p)
    assert (broken["h"] == np.float16(0.7)).all()


def test_without_the_setting_there_is_neither_outlook_nor_part(config: ModelConfig, items: ItemVocabulary) -> None:
    cluster = Cluster(config, items, learning=LEARNING)
    assert "horizons" not in cluster.release(full=True).parts()
    assert not [name for name in cluster.trainer.checkpoint().experts if name.startswith("horizons")]
    with pytest.raises(HorizonsError, match=r"model\.horizons is off"):
        cluster.engines[0].outlook(cluster.rows[0], np.zeros(USERS))


def test_a_checkpoint_has_heads_and_labels_that_wait(cluster: Cluster, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, cluster.trainer.checkpoint(), cluster.config, cluster.trainer._items)
    weights = checkpoint.load(tmp_path, cluster.config, cluster.trainer._items)
    assert weights is not None
    trainer = StreamTrainer(cluster.config, LEARNING, cluster.trainer._items)
    trainer.begin(weights)
    silent_s = np.full(USERS, 3.0 * DAY_S)
    expected = cluster.trainer._engine.outlook(cluster.rows[0], silent_s).return_p
    np.testing.assert_array_equal(trainer._engine.outlook(cluster.rows[0], silent_s).return_p, expected)
    learner, other = cluster.trainer._horizons._learner, trainer._horizons._learner
    assert learner is not None
    assert other is not None
    assert len(other._waiting) == len(learner._waiting) > 0
    assert len(other.interest) == len(learner.interest) > 0
    restored = StreamTrainer(cluster.config, LEARNING, cluster.trainer._items)
    restored.restore(cluster.trainer.release(full=True))
    np.testing.assert_array_equal(restored._engine.outlook(cluster.rows[0], silent_s).return_p, expected)


def test_interest_is_learnt_from_labels_that_waited_through_a_restart(cluster: Cluster, tmp_path: Path) -> None:
    """The month's, which comes due afterwards: both go on with the same shares."""
    checkpoint.save(tmp_path, cluster.trainer.checkpoint(), cluster.config, cluster.trainer._items)
    weights = checkpoint.load(tmp_path, cluster.config, cluster.trainer._items)
    assert weights is not None
    restarted = StreamTrainer(cluster.config, LEARNING, cluster.trainer._items)
    restarted.begin(weights)
    rows, users = cluster.rows[0].copy(), np.arange(1, USERS + 1, dtype=np.uint32)
    rows["last_time_ms"] = START_MS + 31 * DAY_S * 1000
    rows["ring_item"] = 0  # nothing new is scored: what the shares learn is what waited
    shares = []
    for trainer in (cluster.trainer, restarted):
        learner = trainer._horizons._learner
        assert learner is not None
        before = learner.model.interest.state()["steps"]
        for _ in range(32):  # days
            learner.observe(rows, np.ones(USERS, np.int64), users)
            rows["last_time_ms"] += DAY_S * 1000
        rows["last_time_ms"] -= 32 * DAY_S * 1000
        after = learner.model.interest.state()
        assert (after["steps"][:, 2] > before[:, 2]).all()
        shares.append(after["logits"])
    np.testing.assert_array_equal(shares[0], shares[1])


def test_a_model_without_heads_begins_with_new_ones(
    config: ModelConfig, cluster: Cluster, items: ItemVocabulary, tmp_path: Path
) -> None:
    """Of a checkpoint from before the setting was turned on; and the other way round heads are left out."""
    without = Cluster(config, items, learning=LEARNING)
    checkpoint.save(tmp_path, without.trainer.checkpoint(), without.config, items)
    weights = checkpoint.load(tmp_path, cluster.config, items)
    assert weights is not None
    trainer = StreamTrainer(cluster.config, LEARNING, items)
    trainer.begin(weights)
    assert trainer.release(full=True).horizons
    without.trainer.begin(cluster.trainer.checkpoint())
    without.engines[0].restore(cluster.trainer.checkpoint().experts)


def test_heads_of_another_network_are_refused(cluster: Cluster, items: ItemVocabulary) -> None:
    release = cluster.trainer.release(full=True)
    engine = Engine(replace(cluster.config, hidden_size=16), items)
    assert engine.horizons is not None
    with pytest.raises(WeightsError, match=r"model\.horizons"):
        engine.horizons.restore(release.horizons)


@pytest.mark.parametrize("part", ["heads.return_time.hazard.bias", "return.newest", "interest.logits"])
def test_a_release_whose_heads_do_not_fit_changes_nothing(cluster: Cluster, part: str) -> None:
    cluster.release()
    engine, silent_s = cluster.engines[0], np.full(USERS, 3.0 * DAY_S)
    release = cluster.trainer.release(full=True)
    assert part in release.horizons
    lacking = {name: array for name, array in release.horizons.items() if name != part}
    horizons = {name: array + 1 if array.dtype.kind == "f" else array for name, array in lacking.items()}
    wrong = replace(release, shared={n: a + 1 for n, a in release.shared.items()}, horizons=horizons)
    before, version = engine.outlook(cluster.rows[0], silent_s), engine.version
    predicted = engine.step(event_of_each(), cluster.rows[0]).predictions.item_p
    with pytest.raises(WeightsError, match=r"model\.horizons"):
        cluster.workers[0].apply(wrong, {})
    assert engine.version == version
    np.testing.assert_array_equal(engine.outlook(cluster.rows[0], silent_s).return_p, before.return_p)
    np.testing.assert_array_equal(engine.step(event_of_each(), cluster.rows[0]).predictions.item_p, predicted)


def event_of_each() -> EventBatch:
    user = np.arange(USERS)
    return EventBatch(user, user % 30 + 1, np.full(USERS, 2), START_MS + 11 * DAY_S * 1000 + user)


def test_a_step_has_the_outlook_of_its_users_after_their_last_events(cluster: Cluster) -> None:
    cluster.release()
    engine, rows = cluster.engines[0], cluster.rows[0][:3]
    time_ms = START_MS + 11 * DAY_S * 1000 + np.arange(4)
    batch = EventBatch(np.array([0, 0, 2, 2]), np.array([4, 5, 6, 7]), np.full(4, 2), time_ms)
    for per, row in (("user", [0, 1]), ("event", [-1, 0, -1, 1])):
        step = engine.step(batch, rows, per=per)  # type: ignore[arg-type]
        expected = engine.outlook(step.rows[[0, 2]], np.zeros(2))
        outlook = step.predictions.outlook
        assert outlook is not None
        assert step.predictions.outlook_row is not None
        assert step.predictions.outlook_row.tolist() == row
        np.testing.assert_allclose(outlook.return_p, expected.return_p, atol=1e-6)
        np.testing.assert_allclose(outlook.item_p, expected.item_p, atol=1e-3)
        np.testing.assert_allclose(outlook.category_p, expected.category_p, atol=1e-3)
        assert (outlook.item[:, :, 0] == expected.item[:, :, 0]).all()


def test_popularity_is_followed_from_time_to_time(cluster: Cluster, items: ItemVocabulary) -> None:
    """Found anew between two blocks of one step it would list other items in one than in the other."""
    cluster.release()
    engine = Engine(cluster.config, items, sizes=CandidateSizes(block_scores=1, min_block=2))
    engine.restore(cluster.trainer.checkpoint().experts)
    rows, silent_s = cluster.rows[0], np.zeros(USERS)
    for number in range(2 * REUSED_PREDICTIONS // USERS):
        user = np.arange(USERS)
        item = np.full(USERS, number % 30 + 1)
        step = engine.step(EventBatch(user, item, np.full(USERS, 2), np.full(USERS, START_MS * 2)), rows)
        engine.observe(step)
        rows = step.rows
    outlook = engine.outlook(rows, silent_s)
    other = Engine(cluster.config, items)
    other.restore(engine.experts())
    expected = other.outlook(rows, silent_s)
    np.testing.assert_allclose(outlook.item_p, expected.item_p, atol=1e-4)
    np.testing.assert_allclose(outlook.category_p, expected.category_p, atol=0.05)


def test_without_horizons_a_step_has_no_outlook(config: ModelConfig, items: ItemVocabulary) -> None:
    engine = Engine(config, items)
    assert engine.horizons is None
    step = engine.step(EventBatch(*(np.array([number]) for number in (0, 3, 2, START_MS))), new_user_states(config, 1))
    assert step.predictions.outlook is None
    assert step.predictions.outlook_row is None
