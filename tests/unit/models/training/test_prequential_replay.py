from dataclasses import replace

import numpy as np
import pytest
import torch

from models.config import LearnerConfig, ModelConfig
from models.training.prequential_replay import PrequentialReplay
from tests.unit.models.stories import circle_log, vocabulary

ITEMS = 30
LOG = circle_log(items=ITEMS)
MODEL = ModelConfig(embedding_dim=16, hidden_size=16, history_length=10, device="cpu")


def rehearsal(repeats: str = "allow") -> PrequentialReplay:
    model = replace(MODEL, allow_repeats=repeats == "allow")
    return PrequentialReplay(model, LearnerConfig(events_per_step=64), vocabulary(ITEMS, model), users=40, top_items=5)


@pytest.mark.parametrize("repeats", ["allow", "filter"])
def test_a_replay_moves_users_and_counts_as_steps_do(repeats: str) -> None:
    replayed, stepped = rehearsal(repeats), rehearsal(repeats)
    for low in range(0, 640, 64):
        replayed.replay(LOG[low : low + 64])
        stepped.step(LOG[low : low + 64], learn=False)
    np.testing.assert_array_equal(replayed._memory, stepped._memory)
    ours, theirs = replayed.weights(), stepped.weights()
    counts = [name for name in theirs.experts if not name.startswith("mixer.")]
    assert len(counts) > 5
    for name in counts:
        np.testing.assert_array_equal(ours.experts[name], theirs.experts[name], err_msg=name)
    assert ours.experts["mixer.steps"] == 0 < theirs.experts["mixer.steps"]


def test_scores_come_in_the_order_of_the_log_and_change_nothing() -> None:
    worker = rehearsal()
    worker.step(LOG[:640], learn=True)
    events = LOG[640:700]
    found, again = worker.score(events, ITEMS), worker.score(events, ITEMS)
    np.testing.assert_array_equal(found.rank, again.rank)
    # A user's first event of these is foreseen as if it came alone.
    first = np.unique(events.user, return_index=True)[1][:8]
    alone = [float(worker.score(events[np.array([at])], ITEMS).log_p[0]) for at in first]
    np.testing.assert_allclose(found.log_p[first], alone, rtol=1e-4)


def test_learning_makes_what_comes_more_probable() -> None:
    worker = rehearsal()
    losses = []
    for low in range(0, 3000, 50):
        losses.append(-worker.score(LOG[low : low + 50], ITEMS).log_p.mean())
        worker.step(LOG[low : low + 50], learn=True)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.5


def test_it_goes_on_from_other_weights() -> None:
    first, second = rehearsal(), rehearsal()
    first.step(LOG[:640], learn=True)
    second.start(first.weights())
    assert second.weights().version == first.weights().version > 0
    assert all(torch.equal(t, second.weights().tensors[name]) for name, t in first.weights().tensors.items())
