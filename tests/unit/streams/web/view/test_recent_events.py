"""What a prediction is scored by: the user's next event, whichever of both comes first."""

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from state.options import StoreMemory
from state.ordered_store import OrderedStore
from streams.schema.decoder import decode
from streams.schema.events import UserEvent
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import USER, id_key
from streams.web.view.recent_events import RecentEvents
from streams.web.view.rows import UserRow, encode
from tests.records import click


class Follower:
    """Puts events and predictions as they come, each in a batch of its own."""

    def __init__(self, folder: Path) -> None:
        self.store = OrderedStore(folder / "view", StoreMemory(4 << 20))
        self.events = RecentEvents(self.store)

    def event(self, offset: int, item: str) -> None:
        batch, record = ViewBatch(self.store), click(offset, "u1", item)
        (decoded,), _ = decode(record)
        assert isinstance(decoded, UserEvent)
        self.events.put(decoded, record, batch)
        self.store.write(batch.changes)

    def prediction(self, offset: int, item: str) -> None:
        """After the event at this offset."""
        batch = ViewBatch(self.store)
        row = UserRow(
            f"user-events:0:{offset}", f"e{offset}", 0, 1_800_000_000_000, "1.1", offset, 0, offset, [item], [0.25],
            0.75, [], [], [], [], 0.0, (0.0, 0.0, 0.0, 1.0), "0:0", 1,
        )  # fmt: skip
        batch.put(id_key(USER, "u1"), encode(row))
        self.events.score("u1", row, batch)
        self.store.write(batch.changes)

    def scored(self) -> tuple[int, int]:
        """Predictions that were scored, and those of them that were right."""
        calibration = self.events.calibration(0)
        return sum(calibration.count), sum(calibration.hits)


@pytest.fixture
def follower(tmp_path: Path) -> Iterator[Follower]:
    made = Follower(tmp_path)
    yield made
    made.store.close()


# Events come in order and predictions too, but either may be ahead; each prediction comes after its own event.
ORDERS = [
    order
    for order in permutations(("e1", "e2", "e3", "p1", "p2"))
    if list(filter(lambda name: name[0] == "e", order)) == ["e1", "e2", "e3"]
    and list(filter(lambda name: name[0] == "p", order)) == ["p1", "p2"]
    and all(order.index(f"e{number}") < order.index(f"p{number}") for number in (1, 2))
]


@pytest.mark.parametrize("order", ORDERS, ids=" ".join)
def test_a_prediction_is_scored_once_by_the_event_after_its_own(follower: Follower, order: tuple[str, ...]) -> None:
    for name in order:
        number = int(name[1])
        if name[0] == "e":
            follower.event(number, f"i{number}")
        else:
            follower.prediction(number, "i2")  # right after the first event, wrong after the second
    assert follower.scored() == (2, 1)


def test_predictions_of_events_that_are_not_known_are_not_scored(follower: Follower) -> None:
    follower.event(5, "i5")
    follower.prediction(3, "i5")
    follower.event(6, "i6")
    assert follower.scored() == (0, 0)
