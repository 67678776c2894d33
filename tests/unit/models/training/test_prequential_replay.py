from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import LearnerConfig, ModelConfig
from models.training.prequential_replay import PrequentialReplay
from tests.unit.models.circle_log import circle_log, circle_vocabulary

ITEMS = 30
LOG = circle_log(items=ITEMS)
MODEL = ModelConfig(embedding_dim=16, hidden_size=16, history_length=10, device="cpu")


def new_replay(repeats: str = "allow") -> PrequentialReplay:
    model = replace(MODEL, allow_repeats=repeats == "allow")
    return PrequentialReplay(
        model, LearnerConfig(events_per_step=64, max_repeats=0), circle_vocabulary(ITEMS, model), users=40, top_items=5
    )


@pytest.mark.parametrize("repeats", ["allow", "filter"])
def test_replay_advances_users_and_counts_as_steps_do(repeats: str) -> None:
    replayed, stepped = new_replay(repeats), new_replay(repeats)
    for low in range(0, 640, 64):
        replayed.replay(LOG[low : low + 64])
        stepped.step(LOG[low : low + 64], learn=False)
    np.testing.assert_array_equal(replayed._user_rows, stepped._user_rows)
    replayed_weights, stepped_weights = replayed.weights(), stepped.weights()
    counts = [name for name in stepped_weights.experts if not name.startswith("gate.")]
    assert len(counts) > 5
    for name in counts:
        np.testing.assert_array_equal(replayed_weights.experts[name], stepped_weights.experts[name], err_msg=name)
    assert replayed_weights.experts["gate.steps"] == 0 < stepped_weights.experts["gate.steps"]


def test_a_replay_counts_all_events_of_users_who_have_more_than_their_rows_hold() -> None:
    events, at_once, in_parts = LOG[:640], new_replay(), new_replay()
    at_once.replay(events)
    for low in range(0, 640, 8):
        in_parts.replay(events[low : low + 8])
    np.testing.assert_array_equal(at_once._user_rows["steps"], in_parts._user_rows["steps"])
    assert at_once._user_rows["steps"].max() > at_once._user_rows["ring_item"].shape[1]
    name = "popularity.counts"  # of the longest half-life, last, all events weigh nearly the same
    counted, expected = (replay.weights().experts[name][-1].sum() for replay in (at_once, in_parts))
    np.testing.assert_allclose(counted, expected, rtol=1e-6)


def test_scores_come_in_the_order_of_the_log_and_change_nothing() -> None:
    worker = new_replay()
    worker.step(LOG[:640], learn=True)
    events = LOG[640:700]
    scores, again = worker.score(events, ITEMS), worker.score(events, ITEMS)
    np.testing.assert_array_equal(scores.rank, again.rank)
    # A user's first event of these is scored as if it came alone.
    first = np.unique(events.user, return_index=True)[1][:8]
    alone = [float(worker.score(events[np.array([index])], ITEMS).log_p[0]) for index in first]
    np.testing.assert_allclose(scores.log_p[first], alone, rtol=1e-4)


@pytest.mark.slow
def test_learning_lowers_the_log_loss() -> None:
    worker = new_replay()
    losses = []
    for low in range(0, 3000, 50):
        losses.append(-worker.score(LOG[low : low + 50], ITEMS).log_p.mean())
        worker.step(LOG[low : low + 50], learn=True)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.5


def test_it_continues_from_other_weights() -> None:
    first, second = new_replay(), new_replay()
    first.step(LOG[:640], learn=True)
    second.restore(first.weights())
    assert second.weights().version == first.weights().version > 0
    assert all(torch.equal(t, second.weights().tensors[name]) for name, t in first.weights().tensors.items())
