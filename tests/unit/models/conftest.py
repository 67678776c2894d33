"""Small networks, random batches and the real log for the tests of `models`."""

import csv
import gzip
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.device import require_dtype
from models.errors import UnsupportedDtypeError
from models.items.vocabulary import ItemVocabulary

MakeBatch = Callable[..., EventBatch]
Log = tuple[NDArray[np.int64], list[str], NDArray[np.int64]]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _skip_unsupported_bfloat16(request: pytest.FixtureRequest) -> None:
    """Tests marked `bfloat16` run where this machine's CPU computes in it."""
    if request.node.get_closest_marker("bfloat16"):
        try:
            require_dtype(ModelConfig(dtype="bfloat16", device="cpu"))
        except UnsupportedDtypeError as error:
            pytest.skip(str(error))


@pytest.fixture
def config() -> ModelConfig:
    return ModelConfig(
        embedding_dim=8, hidden_size=12, history_length=5, allow_repeats=False, seen_bits=64, seed=3, device="cpu"
    )


@pytest.fixture
def items() -> ItemVocabulary:
    items = ItemVocabulary(1000)
    for number in range(30):
        items.describe(f"i{number}", f"Title {number}", [f"c{number % 4}", f"c{number % 3}"])
        items.add(f"i{number}")
    return items


@pytest.fixture
def make_batch() -> MakeBatch:
    """Random events of `users` users; the same seed gives the same batch."""

    def make(events: int, users: int, items: int = 30, seed: int = 0) -> EventBatch:
        random = np.random.default_rng(seed)
        return EventBatch(
            user=np.sort(random.integers(0, users, events)),
            item=random.integers(0, items + 1, events),
            type=random.integers(0, len(EVENT_TYPES), events),
            time_ms=1_700_000_000_000 + random.integers(0, 10**8, events),
        )

    return make


@pytest.fixture(scope="session")
def ml_100k() -> Log:
    """User number, item id and time (ms) of every event of MovieLens 100K in time order."""
    rows = [line.split("\t") for line in _real_log("ml-100k", "ml-100k.inter").read_text().splitlines()[1:]]
    rows.sort(key=lambda row: float(row[3]))
    return _log((row[0], row[1], float(row[3])) for row in rows)


@pytest.fixture(scope="session")
def wikipedia() -> Log:
    """The same of a month's edits of Wikipedia, where users come back to the same pages."""
    with gzip.open(_real_log("wikipedia", "events.csv.gz"), "rt") as file:
        return _log((row["user"], row["item"], float(row["timestamp"])) for row in csv.DictReader(file))


def _real_log(folder: str, name: str) -> Path:
    path = Path(__file__).resolve().parents[4] / "shared" / "data" / folder / name
    if not path.exists():
        pytest.skip(f"the real log is not at {path}")
    return path


def _log(events: Iterable[tuple[str, str, float]]) -> Log:
    users, items, seconds = zip(*events, strict=True)
    number: dict[str, int] = {}
    user = np.array([number.setdefault(name, len(number)) for name in users])
    return user, list(items), np.array([int(second) * 1000 for second in seconds])
