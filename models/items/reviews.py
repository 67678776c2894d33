"""Texts of a batch's events, encoded: sign codes for the users' histories, vectors for the items' content."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.data.events import EventBatch
from models.errors import UnknownItemError, WeightsError
from models.items.register import ItemRegister
from models.items.vocabulary import ItemContentLike
from models.text.sign_codes import BYTES
from models.text.simhash import simhash

_ITEM: Final = "item"
_VECTOR: Final = "vector"
_ITEM_BYTES: Final = 4
_HEADER_BYTES: Final = 256
"""More than safetensors' takes"""


@dataclass(frozen=True, slots=True)
class Reviews:
    """The texts of one batch."""

    codes: NDArray[np.uint8] | None
    """[n, BYTES] sign code of each event's text; None where no event has text or no encoder is configured"""
    _content: ItemContentLike | None = None
    _event: NDArray[np.int64] | None = None  # index of each event with text and item
    _user: NDArray[np.int64] | None = None
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
        about = event[with_item]
        return Reviews(codes, content, about, batch.user[about], batch.item[about], vector[with_item])

    def apply_to_items(self, events: NDArray[np.bool_] | None = None) -> None:
        """Add the texts to the reviews of their items; with a mask `events` [n], only those of these events."""
        if self._content is None or self._event is None or self._item is None or self._vector is None:
            return
        selected = slice(None) if events is None else events[self._event]
        self._content.review(self._item[selected], self._vector[selected])

    def encode(self, rows: NDArray[np.bool_], register: ItemRegister, max_bytes: int) -> list[bytes]:
        """Texts about items by the users of these batch rows, of [U] all, for `review_items`; none without any.

        Each has `max_bytes` at most, and one text at least.
        """
        if self._user is None or self._item is None or self._vector is None:
            return []
        (selected,) = np.nonzero(rows[self._user])
        texts = max(1, (max_bytes - _HEADER_BYTES) // (_ITEM_BYTES + 2 * self._vector.shape[1]))
        return [
            save(
                {
                    _ITEM: register.indices(self._item[part]).astype(np.uint32),
                    _VECTOR: self._vector[part].astype(np.float16),
                }
            )
            for part in np.split(selected, range(texts, len(selected), texts))
            if len(part)
        ]


def review_items(content: ItemContentLike, encoded: bytes, register: ItemRegister) -> int:
    """Add encoded texts to the reviews of their items, if these have slots still; how many texts they are.

    WeightsError where they are damaged or of another encoder, UnknownItemError where an item is not registered.
    """
    try:
        arrays = load(encoded)
        index, vector = arrays[_ITEM].astype(np.int64), arrays[_VECTOR].astype(np.float32)
    except (SafetensorError, KeyError, ValueError) as error:
        raise WeightsError(f"reviews are damaged ({error!r})") from error
    width = 0 if content.encoder is None else content.encoder.width
    if vector.shape != (len(index), width) or not np.isfinite(vector).all():
        raise WeightsError(
            f"reviews are text vectors of {vector.shape[-1]} numbers, {width} are needed here: set model.text as it is "
            "in the worker that wrote them"
        )
    if (largest := int(index.max(initial=0))) > register.count:
        raise UnknownItemError(largest, register.count)
    item = register.slots(index)
    content.review(item[item > 0], vector[item > 0])
    return len(index)
