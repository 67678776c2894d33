"""The whole of `models` on the first events of a real log, as a worker runs it: rank, step, learn, in one pass."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.config import LearnerConfig, ModelConfig
from models.engine import Engine
from models.events import EventBatch, type_index
from models.items import Items
from models.learner import Learner
from models.memory import new_memory
from models.popularity import DecayedPopularity

_EVENTS = 20_000
_BATCH = 128


@pytest.mark.parametrize(("experts", "times"), [(False, 1.4), (True, 2.0)])
def test_learning_from_nothing_beats_decayed_popularity(
    ml_100k: tuple[NDArray[np.int64], list[str], NDArray[np.int64]], experts: bool, times: float
) -> None:
    users, item_ids, times_ms = ml_100k[0][:_EVENTS], ml_100k[1][:_EVENTS], ml_100k[2][:_EVENTS]
    config, items = ModelConfig(repeats="filter", experts=experts, device="cpu"), Items(10_000)
    engine, learner, popularity = Engine(config, items), Learner(config, LearnerConfig(), items), DecayedPopularity()
    memory = new_memory(config, int(users.max()) + 1)
    had: dict[int, list[int]] = {}
    ours, theirs = np.full(_EVENTS, np.inf), np.full(_EVENTS, np.inf)
    for low in range(0, _EVENTS, _BATCH):
        order = low + np.argsort(users[low : low + _BATCH], kind="stable")
        known = len(items)
        item = np.array([items.add(item_id) for item_id in item_ids[low : low + _BATCH]])
        row, user = np.unique(users[order], return_inverse=True)
        batch = EventBatch(user, item[order - low], np.full(len(order), type_index("rating")), times_ms[order])
        ours[order] = engine.rank(batch, memory[row], known)
        memory[row] = (step := engine.step(batch, memory[row])).memory
        assert not len(step.refused)
        learner.observe(batch, step.memory)
        while learner.ready:
            learnt = learner.learn()
            assert learnt is not None
            assert not learnt.refused
            engine.update(learner.weights())
        for at, one in enumerate(item.tolist(), low):
            seen = had.setdefault(int(users[at]), [])
            theirs[at] = popularity.rank(one, np.array(seen, dtype=np.int64))
            popularity.observe(np.array([one]))
            seen.append(one)
    scored = slice(_EVENTS * 7 // 10, None)
    recall, popular = (float((ranks[scored] <= 10).mean()) for ranks in (ours, theirs))
    assert popular > 0.05
    assert recall > times * popular
    counts = np.bincount(users, minlength=len(memory))
    np.testing.assert_array_equal(memory["steps"], counts)
    print(f"recall@10 {recall:.4f}, decayed popularity {popular:.4f}")
