"""Texts of a batch's events, encoded: sign codes for the users' histories, vectors for the items' content."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.items.vocabulary import ItemContentLike
from models.text.sign_codes import BYTES
from models.text.simhash import simhash


@dataclass(frozen=True, slots=True)
class Reviews:
    """The texts of one batch."""

    codes: NDArray[np.uint8] | None
    """[n, BYTES] sign code of each event's text; None where no event has text or no encoder is configured"""
    _content: ItemContentLike | None = None
    _event: NDArray[np.int64] | None = None  # index of each event with text and item
    _item: NDArray[np.int64] | None = None
    _vector: NDArray[np.float32] | None = None

    @staticmethod
    def of(batch: EventBatch, content: ItemContentLike | None) -> "Reviews":
        """Encode the texts of the batch."""
        if batch.text is None or content is None or content.encoder is None:
            return Reviews(None)
        event = np.array([index for index, text in enumerate(batch.text) if text], dtype=np.int64)  # [m]
        if not len(event):
            return Reviews(None)
        vector = content.encoder.encode([batch.text[index] for index in event.tolist()])  # [m, W]
        codes = np.zeros((len(batch), BYTES), dtype=np.uint8)
        codes[event] = simhash(vector)
        with_item = batch.item[event] > 0
        return Reviews(codes, content, event[with_item], batch.item[event][with_item], vector[with_item])

    def apply_to_items(self, events: NDArray[np.bool_] | None = None) -> None:
        """Add the texts to the reviews of their items; with a mask `events` [n], only those of these events."""
        if self._content is None or self._event is None or self._item is None or self._vector is None:
            return
        selected = slice(None) if events is None else events[self._event]
        self._content.review(self._item[selected], self._vector[selected])
