"""What the users of a batch wrote: codes for their own steps, vectors for the items that they wrote about."""

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
    """[n, BYTES] of each event's text; None where nobody wrote, or nobody reads"""
    _content: ItemContentLike | None = None
    _event: NDArray[np.int64] | None = None  # that is about an item
    _item: NDArray[np.int64] | None = None
    _vector: NDArray[np.float32] | None = None

    @staticmethod
    def of(batch: EventBatch, content: ItemContentLike | None) -> "Reviews":
        """The batch's texts, encoded."""
        if batch.text is None or content is None or content.encoder is None:
            return Reviews(None)
        at = np.array([place for place, text in enumerate(batch.text) if text], dtype=np.int64)
        if not len(at):
            return Reviews(None)
        vector = content.encoder.encode([batch.text[place] for place in at.tolist()])
        codes = np.zeros((len(batch), BYTES), dtype=np.uint8)
        codes[at] = simhash(vector)
        about = batch.item[at] > 0
        return Reviews(codes, content, at[about], batch.item[at][about], vector[about])

    def apply_to_items(self, events: NDArray[np.bool_] | None = None) -> None:
        """The items know of them, or of those of these `events` [n]."""
        if self._content is None or self._event is None or self._item is None or self._vector is None:
            return
        given = slice(None) if events is None else events[self._event]
        self._content.review(self._item[given], self._vector[given])
