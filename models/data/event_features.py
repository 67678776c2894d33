"""Features of events that the network reads, as arrays of one leading shape: a history, a window, a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

VALUE_BUCKETS: Final = 256
_NO_VALUE: Final = 0
_ZERO_BUCKET: Final = 128
_PER_OCTAVE: Final = 8


def value_buckets(value: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Buckets of values of any scale, 0 for NaN: an eighth of an octave of 1 + |value| each, by sign.

    Every half star of a rating from 0 to 5 has a bucket of its own.
    """
    octaves = np.log2(1 + np.abs(value.astype(np.float64)))
    bucket = np.rint(_ZERO_BUCKET + np.sign(value) * _PER_OCTAVE * octaves)
    return np.where(np.isnan(value), _NO_VALUE, bucket.clip(1, VALUE_BUCKETS - 1)).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class EventFeatures:
    """Events of shape [...]."""

    item: NDArray[np.int64]
    """[...] item index, or row of the table that the reader looks it up in; 0 = no item"""
    type: NDArray[np.int64]
    """[...] index into EVENT_TYPES"""
    gap: NDArray[np.int64]
    """[...] bucket of the time since the user's previous event"""
    value: NDArray[np.uint8]
    """[...] bucket of the value"""
    text: NDArray[np.uint8]
    """[..., BYTES] code of the text; [..., 0] in models without text"""

    def __len__(self) -> int:
        return len(self.item)

    def __getitem__(self, index: Any) -> "EventFeatures":
        return self._map(lambda array: array[index])

    def where(self, valid: NDArray[np.bool_]) -> "EventFeatures":
        """The same with zeros where not `valid` [...]."""
        return self._map(lambda array: np.where(valid if array.ndim == valid.ndim else valid[..., None], array, 0))

    def flat(self) -> "EventFeatures":
        """The first two axes joined."""
        return self._map(lambda array: array.reshape(array.shape[0] * array.shape[1], *array.shape[2:]))

    def put(self, index: Any, features: "EventFeatures") -> None:
        """Overwrite the events at `index`."""
        for field in fields(self):
            getattr(self, field.name)[index] = getattr(features, field.name)

    @staticmethod
    def zeros(shape: tuple[int, ...], code_bytes: int) -> "EventFeatures":
        """Events of which every feature is absent."""
        item, kind, gap = (np.zeros(shape, np.int64) for _ in range(3))
        return EventFeatures(item, kind, gap, np.zeros(shape, np.uint8), np.zeros((*shape, code_bytes), np.uint8))

    @staticmethod
    def concatenate(parts: Sequence["EventFeatures"]) -> "EventFeatures":
        """All parts, one after the other along the first axis."""
        return EventFeatures(
            *(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(EventFeatures))
        )

    def _map(self, change: Callable[[NDArray[Any]], NDArray[Any]]) -> "EventFeatures":
        return EventFeatures(*(change(getattr(self, field.name)) for field in fields(self)))
