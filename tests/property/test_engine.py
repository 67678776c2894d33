"""However a stream of events is cut into batches, rows and predictions are the same."""

from dataclasses import dataclass, field

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights

torch.set_num_threads(1)

_CONFIG = ModelConfig(
    embedding_dim=8, hidden_size=12, history_length=4, allow_repeats=False, seen_bits=16, experts=False, device="cpu"
)
_ITEMS = ItemVocabulary(100)
for _number in range(25):
    _ITEMS.describe(str(_number), "", [f"c{_number % 3}"])
    _ITEMS.add(str(_number))
_USERS = 4

Event = tuple[int, int, int, int]

_events = st.lists(
    st.tuples(
        st.integers(0, _USERS - 1),
        st.integers(0, len(_ITEMS)),
        st.integers(0, len(EVENT_TYPES) - 1),
        st.one_of(st.integers(0, 100_000), st.integers(0, 10**13)),
    ),
    max_size=40,
)


def _engine() -> Engine:
    engine = Engine(_CONFIG, _ITEMS)
    # Zero embeddings of types and gaps would hide mistakes in them.
    weights = InterestNetwork(_CONFIG).snapshot(0)
    generator = torch.Generator().manual_seed(1)
    noisy = {name: t + 0.3 * torch.randn(t.shape, generator=generator) for name, t in weights.tensors.items()}
    engine.update(Weights(1, noisy))
    return engine


_ENGINE = _engine()


def _batch(events: list[Event]) -> EventBatch:
    columns = np.array(sorted(events, key=lambda event: event[0]), dtype=np.int64).reshape(-1, 4).T
    return EventBatch(*(np.ascontiguousarray(column) for column in columns))


@dataclass
class _User:
    """The expected row, computed in plain Python."""

    ring: list[tuple[int, int, int]] = field(default_factory=list)
    steps: int = 0
    last: int = 0
    seen: set[int] = field(default_factory=set)

    def add(self, item: int, kind: int, time_ms: int) -> None:
        gap = 0
        if self.steps:
            seconds = max(0, time_ms - self.last) // 1000
            gap = min(31, (1 + seconds).bit_length())
        self.last = max(self.last, time_ms) if self.steps else time_ms
        self.steps += 1
        self.ring.append((item, kind, gap))
        if item:
            self.seen.add(item % _CONFIG.seen_bits)


@given(_events, st.lists(st.integers(1, 10)))
@settings(max_examples=60, deadline=None)
def test_rows_are_those_of_a_fold_by_hand(events: list[Event], cuts: list[int]) -> None:
    users = [_User() for _ in range(_USERS)]
    for user, item, kind, time_ms in events:
        users[user].add(item, kind, time_ms)
    rows = new_user_states(_CONFIG, _USERS)
    for chunk in _chunks(events, cuts):
        rows = _ENGINE.step(_batch(chunk), rows).rows
    for expected, row in zip(users, rows, strict=True):
        assert row["steps"] == expected.steps
        assert row["last_time_ms"] == expected.last
        assert set(np.flatnonzero(np.unpackbits(row["seen"], bitorder="little"))) == expected.seen
        for step in range(max(0, expected.steps - _CONFIG.history_length), expected.steps):
            slot = step % _CONFIG.history_length
            stored = tuple(int(row[name][slot]) for name in ("ring_item", "ring_type", "ring_gap"))
            assert stored == expected.ring[step]


@given(_events, st.lists(st.integers(1, 10)))
@settings(max_examples=60, deadline=None)
def test_any_cut_gives_the_same_rows_and_predictions(events: list[Event], cuts: list[int]) -> None:
    """Ring, steps, time and seen exactly; h, c and probabilities within the rounding of h and c to fp16."""
    one_batch = _ENGINE.step(_batch(events), new_user_states(_CONFIG, _USERS), "event")
    rows = new_user_states(_CONFIG, _USERS)
    interests: dict[int, list[tuple[NDArray[np.float32], float]]] = {user: [] for user in range(_USERS)}
    for chunk in _chunks(events, cuts):
        batch = _batch(chunk)
        step = _ENGINE.step(batch, rows, "event")
        rows = step.rows
        for index, user in enumerate(batch.user):
            p = step.predictions
            interests[int(user)].append((p.category_p[index], float(p.other_p[index])))
    for name in one_batch.rows.dtype.names or ():
        if name in ("h", "c"):
            np.testing.assert_allclose(rows[name], one_batch.rows[name], atol=0.01)
        else:
            np.testing.assert_array_equal(rows[name], one_batch.rows[name])
    batch = _batch(events)
    taken = dict.fromkeys(range(_USERS), 0)
    for index, user in enumerate(batch.user.tolist()):
        category_p, other_p = interests[user][taken[user]]
        taken[user] += 1
        np.testing.assert_allclose(category_p, one_batch.predictions.category_p[index], atol=0.02)
        np.testing.assert_allclose(other_p, one_batch.predictions.other_p[index], atol=0.02)


@given(_events)
@settings(max_examples=40, deadline=None)
def test_prediction_per_user_is_the_one_after_their_last_event(events: list[Event]) -> None:
    batch, rows = _batch(events), new_user_states(_CONFIG, _USERS)
    all_events, last = _ENGINE.step(batch, rows, "event"), _ENGINE.step(batch, rows, "user")
    np.testing.assert_array_equal(all_events.rows, last.rows)
    event, expected = last.predictions.event, all_events.predictions
    np.testing.assert_array_equal(expected.because[event], last.predictions.because)
    np.testing.assert_allclose(expected.item_p[event], last.predictions.item_p, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(expected.category_p[event], last.predictions.category_p, rtol=1e-3, atol=1e-6)


@given(_events)
@settings(max_examples=40, deadline=None)
def test_every_prediction_is_a_distribution(events: list[Event]) -> None:
    predictions = _ENGINE.step(_batch(events), new_user_states(_CONFIG, _USERS), "event").predictions
    assert len(predictions) == len(events)
    np.testing.assert_allclose(predictions.item_p.sum(1) + predictions.other_p, 1, atol=1e-5)
    assert (predictions.item_p >= 0).all()
    assert (np.diff(predictions.item_p, axis=1) <= 0).all()
    assert (np.diff(predictions.category_p, axis=1) <= 0).all()
    assert ((predictions.item > 0) == (predictions.item_p > 0)).all()
    assert (predictions.category_p.sum(1) <= 1 + 1e-5).all()
    assert (predictions.because_weight.sum(1) <= 1 + 1e-5).all()


def _chunks(events: list[Event], cuts: list[int]) -> list[list[Event]]:
    chunks, low = [], 0
    for size in cuts:
        chunks.append(events[low : low + size])
        low += size
    return [*chunks, events[low:]]
