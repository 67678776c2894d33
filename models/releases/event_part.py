"""New events as a part of a release, batch by batch: counted as they were before, they make the same counts."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.new_events import PAIR_DISTANCE, NewEvents
from models.releases.part_arrays import Arrays, dump

_LENGTH = "batch"


def dump_events(batches: Sequence[NewEvents]) -> bytes:
    """48 bytes for each event."""
    nothing = NewEvents(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros((0, PAIR_DISTANCE), np.int64))
    all_batches = [nothing, *batches]
    arrays: dict[str, NDArray[Any]] = {
        "item": np.concatenate([events.item for events in all_batches]).astype(np.uint32),
        "weight": np.concatenate([events.weight for events in all_batches]).astype(np.float32),
        "earlier": np.concatenate([events.earlier for events in all_batches]).astype(np.uint32),
        _LENGTH: np.array([len(events) for events in batches], np.uint32),
    }
    return dump(arrays)


def load_events(arrays: Arrays) -> list[NewEvents]:
    """The batches again."""
    item, earlier = arrays["item"].astype(np.int64), arrays["earlier"].astype(np.int64)
    ends = np.cumsum(arrays[_LENGTH].astype(np.int64)).tolist()
    return [
        NewEvents(item[low:high], arrays["weight"][low:high], earlier[low:high])
        for low, high in zip([0, *ends], ends, strict=False)
    ]
