"""Content vectors of items: their text in the catalog, their reviews and their features, one row per item.

    content = [unit(d + r - m); f]      d: title, categories and text of the catalog      r: mean of its reviews
                                        m: mean of d + r over all items                    f: numbers

d and r are text vectors (models/text), f the numbers in the catalog (numeric_features.py). Subtracting m removes the
part that all texts have in common, which is most of each vector and does not distinguish items. m, and the scale of the
numbers, are computed again whenever the number of texts, or of described items, has doubled, so that an item's row
rarely changes because of others. Rows of items without content are zero, and take no memory as long as no item beyond
them is described.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.growable_array import grown
from models.errors import WeightsError
from models.items.numeric_features import DescribedContent, NumericFeatures
from models.text.encoder import TextEncoder
from models.text.encoder_factory import text_encoder

_MAX_REVIEWS: Final = 1000
"""Reviews after which their mean becomes an exponential one: the content of an old item can still change"""


# On amazon-music's events from 40 % to 70 %, one pass from nothing, three seeds: R@20 .1819 and log-loss 6.381 with
# texts as they are, .1840 and 6.359 with the current mean subtracted, .1848 and 6.360 with this one; pretrained
# static vectors .1842 and 6.361, .1878 and 6.347, .1874 and 6.348.
_MIN_TEXTS: Final = 32
"""Texts from which on their mean is subtracted: that of one or two would leave nothing of them"""

_MIN_NORM: Final = 0.1
"""Norm from which on a row is scaled to one: less is rounding, of items with the same text"""

_BLOCK_ROWS = 8192


def content_width(config: ModelConfig) -> int:
    """Numbers in an item's content."""
    text = text_encoder(config)
    return (0 if text is None else text.width) + config.features + len(config.number_names)


class ItemContent:
    """Content by item index. Any thread may call it; `refresh` brings `rows` up to date with descriptions."""

    def __init__(self, config: ModelConfig) -> None:
        self.encoder: TextEncoder | None = text_encoder(config)
        self._text_width = 0 if self.encoder is None else self.encoder.width
        self._numbers = NumericFeatures(config.features, config.number_names)
        self._lock = threading.RLock()
        self._version = 0
        self._changed = np.zeros(1, dtype=np.int64)  # version of each row's last change
        self._described = np.zeros((1, self._text_width), dtype=np.float16)
        self._reviews = np.zeros((1, self._text_width), dtype=np.float16)
        self._reviewed = np.zeros(1, dtype=np.int32)
        self._newly_reviewed, self._had_reviews = np.zeros((2, 1), dtype=np.bool_)
        self._pending: dict[int, tuple[str, Sequence[float]]] = {}
        self._mean = np.zeros(self._text_width, dtype=np.float32)
        self._texts = 0
        self._mean_texts = 0  # when `_mean` was computed
        self._with_numbers = 0  # descriptions so far
        self._scale_numbers = 0  # of these, when their scale was computed

    def refresh(self) -> int:
        """Encode the texts described since the last call, and compute the mean again where it is due.

        The version after it, which rises whenever a row changes; 0 while no item has content.
        """
        with self._lock:
            self._encode_pending()
            if self._text_width and self._texts >= max(2 * self._mean_texts, _MIN_TEXTS):
                self._update_mean()
            if self._with_numbers >= max(2 * self._scale_numbers, 1):
                self._scale_numbers = self._with_numbers
                self._numbers.update_scale()
                self._touch(np.flatnonzero(self._changed))
            return self._version

    def numbers(self, features: Sequence[float], numbers: Mapping[str, float]) -> tuple[float, ...]:
        """What `describe` takes, of an item's feature vector and its named numbers; those that are not read are out."""
        return self._numbers.vector(features, numbers)

    def describe(self, item: int, text: str, numbers: Sequence[float]) -> None:
        """Replace text and `numbers` of the item, which `rows` shows after the next `refresh`; both may be empty."""
        with self._lock:
            if text or numbers or item in self._pending or item < len(self._changed):
                self._pending[item] = text, numbers

    def take(self, item: int) -> DescribedContent:
        """Remove the item's content, but return what `put` needs for its description."""
        with self._lock:
            if item in self._pending:
                self._encode_pending()
            if item >= len(self._changed):
                return DescribedContent(np.zeros(self._text_width, np.float16), self._numbers.get(item))
            description = DescribedContent(self._described[item].copy(), self._numbers.get(item))
            if self._changed[item]:
                self._newly_reviewed[item] = self._had_reviews[item] = (
                    self._reviewed[item] > 0 or self._had_reviews[item]
                )
                self._described[item], self._reviews[item], self._reviewed[item] = 0, 0, 0
                self._numbers.clear(item)
                self._touch(np.array([item]))
            return description

    def put(self, item: int, description: DescribedContent) -> None:
        """Describe the item as what `take` returned."""
        with self._lock:
            self._grow(item + 1)
            self._described[item] = description.text
            self._put_numbers(np.array([item]), description.numbers[None])
            self._texts += 1
            self._touch(np.array([item]))

    def review(self, item: NDArray[np.int64], vector: NDArray[np.float32]) -> None:
        """Add reviews [n] of items as text vectors [n, W]."""
        if not len(item):
            return
        with self._lock:
            self._grow(int(item.max()) + 1)
            rows, of_row, count = np.unique(item, return_inverse=True, return_counts=True)
            total = np.zeros((len(rows), self._text_width), dtype=np.float32)
            np.add.at(total, of_row, vector)
            before = self._reviewed[rows].clip(max=_MAX_REVIEWS)
            mean = self._reviews[rows].astype(np.float32) * before[:, None] + total
            self._reviews[rows] = mean / (before + count)[:, None]
            self._reviewed[rows] += count.astype(np.int32)
            self._texts += len(item)
            self._newly_reviewed[rows] = True
            self._touch(rows)

    def take_reviewed(self) -> NDArray[np.int64]:
        """Items that were reviewed since the last call, or lost their reviews."""
        with self._lock:
            reviewed = np.flatnonzero(self._newly_reviewed)
            self._newly_reviewed[reviewed] = False
            return reviewed

    def changed_since(self, version: int) -> tuple[int, NDArray[np.int64]]:
        """The present version, and the items whose rows changed since `version`."""
        with self._lock:
            now = self._version
            return now, np.flatnonzero(self._changed > version) if now > version else np.zeros(0, np.int64)

    def rows(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, content_width] of these items as of the last `refresh`; zero for those without content."""
        with self._lock:
            known = np.where(item < len(self._changed), item, 0)
            text = self._uncentred(known)  # [n, W]
            numbers = self._numbers.rows(known)  # [n, F]
            mean = self._mean
        without_text = ~text.any(1)
        text -= mean
        text /= np.sqrt((text * text).sum(1, keepdims=True)).clip(min=_MIN_NORM)
        text[without_text] = 0
        return np.concatenate([text, numbers], 1) if numbers.shape[1] else text

    def state(self, item: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
        """Copy of the mean reviews, of these items or all, for `restore`; the rest comes from the catalog again.

        Of these items, those that lost their reviews are there with none.
        """
        with self._lock:
            if item is None:
                item = np.flatnonzero(self._reviewed)
            else:
                item = np.intersect1d(item, np.flatnonzero(self._had_reviews | (self._reviewed > 0)))
            return {"item": item, "mean": self._reviews[item], "count": self._reviewed[item]} if len(item) else {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Load mean reviews. WeightsError where their text vectors have another width."""
        if not state:
            return
        if state["mean"].shape[1] != self._text_width:
            raise WeightsError(
                f"reviews are text vectors of {state['mean'].shape[1]} numbers there, of {self._text_width} here: they "
                "were saved with another model.text; set it back, or begin anew"
            )
        with self._lock:
            self._grow(int(state["item"].max()) + 1)
            self._reviews[state["item"]], self._reviewed[state["item"]] = state["mean"], state["count"]
            self._texts += int(state["count"].sum())
            self._touch(state["item"])

    def _uncentred(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, W] d + r of known items."""
        content = self._described[item].astype(np.float32)
        content += self._reviews[item]
        return content

    def _put_numbers(self, item: NDArray[np.int64], numbers: NDArray[np.float32]) -> None:
        self._numbers.put(item, numbers)
        self._with_numbers += int(np.isfinite(numbers).any(1).sum())

    def _update_mean(self) -> None:
        known = np.flatnonzero(self._changed)
        total, count = np.zeros(self._text_width), 0
        for low in range(0, len(known), _BLOCK_ROWS):
            text = self._uncentred(known[low : low + _BLOCK_ROWS])
            total += text.sum(0)
            count += int(text.any(1).sum())
        self._mean = (total / max(count, 1)).astype(np.float32)
        self._mean_texts = self._texts
        self._touch(known)

    def _encode_pending(self) -> None:
        if not self._pending:
            return
        item = np.array(list(self._pending))
        described = np.zeros((len(item), self._text_width), dtype=np.float32)
        if self.encoder is not None:
            described[:] = self.encoder.encode([text for text, _ in self._pending.values()])
        numbers = np.full((len(item), self._numbers.width), np.nan, np.float32)
        for row, (_, given) in zip(numbers, self._pending.values(), strict=True):
            row[: len(given)] = given[: len(row)]
        self._put_numbers(item, numbers)
        self._texts += len(item)
        self._pending.clear()
        self._grow(int(item.max()) + 1)
        self._described[item] = described
        self._touch(item)

    def _touch(self, rows: NDArray[np.int64]) -> None:
        self._version += 1
        self._changed[rows] = self._version

    def _grow(self, rows: int) -> None:
        self._changed, self._reviewed = grown(self._changed, rows), grown(self._reviewed, rows)
        self._newly_reviewed, self._had_reviews = grown(self._newly_reviewed, rows), grown(self._had_reviews, rows)
        self._described, self._reviews = grown(self._described, rows), grown(self._reviews, rows)
