"""What catalog and reviews say of each item, as one vector per item.

    content = [unit(d + r - m); f]      d: title, categories and text of the catalog      r: mean of its reviews
                                        m: mean of d + r over all items                    f: features

d and r are text vectors (text.py), f the numbers that the catalog gives. m is what all texts have in common: nothing
that tells items apart, but most of each vector. It is taken anew whenever the number of texts has doubled, so that an
item's row changes only now and then for the sake of others. Rows of items of which nothing is said are zero, and take
no memory as long as no item beyond them is described.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.errors import WeightsError
from models.text.encoder import TextEncoder
from models.text.encoder_factory import encoder

_MOST_REVIEWS: Final = 1000
"""Reviews after which the mean goes on as a running one: an old item can still change its name"""


# On amazon-music's events from 40 % to 70 %, one pass from nothing, three seeds: R@20 .1819 and log-loss 6.381 with
# texts as they are, .1840 and 6.359 with the mean of the moment taken off, .1848 and 6.360 with this one; pretrained
# static vectors .1842 and 6.361, .1878 and 6.347, .1874 and 6.348.
_FIRST_TEXTS: Final = 32
"""Texts from which on their mean is taken off: that of one or two would leave nothing of them"""

_LEAST_NORM: Final = 0.1
"""Length up to which a row is lengthened to one: less is rounding, of items that are all called the same"""

_BLOCK_ROWS = 8192


def content_width(config: ModelConfig) -> int:
    """Numbers in an item's content."""
    text = encoder(config)
    return (0 if text is None else text.width) + config.features


class ItemContent:
    """Content by item index. Any thread may call it."""

    def __init__(self, config: ModelConfig) -> None:
        self.encoder: TextEncoder | None = encoder(config)
        self._text_width = 0 if self.encoder is None else self.encoder.width
        self._features = config.features
        self._lock = threading.RLock()
        self._version = 0
        self._changed = np.zeros(1, dtype=np.int64)  # version of each row's last change
        self._described = np.zeros((1, self._text_width + self._features), dtype=np.float16)
        self._reviews = np.zeros((1, self._text_width), dtype=np.float16)
        self._reviewed = np.zeros(1, dtype=np.int32)
        self._waiting: dict[int, tuple[str, Sequence[float]]] = {}
        self._common = np.zeros(self._text_width, dtype=np.float32)
        self._texts = 0
        self._texts_then = 0  # when `_common` was taken

    @property
    def version(self) -> int:
        """Changes whenever a row does; 0 while nothing is known of any item."""
        with self._lock:
            self._settle()
            return self._version

    def describe(self, item: int, text: str, features: Sequence[float]) -> None:
        """Replace what the catalog says of the item; nothing where text and features are empty."""
        with self._lock:
            if text or features or item in self._waiting or item < len(self._changed):
                self._waiting[item] = text, features

    def review(self, item: NDArray[np.int64], vector: NDArray[np.float32]) -> None:
        """Add reviews [n] of items, each by its text's vector [n, W]."""
        if not len(item):
            return
        with self._lock:
            self._grow(int(item.max()) + 1)
            rows, of_row, count = np.unique(item, return_inverse=True, return_counts=True)
            total = np.zeros((len(rows), self._text_width), dtype=np.float32)
            np.add.at(total, of_row, vector)
            before = self._reviewed[rows].clip(max=_MOST_REVIEWS)
            mean = self._reviews[rows].astype(np.float32) * before[:, None] + total
            self._reviews[rows] = mean / (before + count)[:, None]
            self._reviewed[rows] += count.astype(np.int32)
            self._texts += len(item)
            self._touch(rows)

    def changed_since(self, version: int) -> tuple[int, NDArray[np.int64]]:
        """The version now, and the items whose rows changed since."""
        with self._lock:
            now = self.version
            return now, np.flatnonzero(self._changed > version) if now > version else np.zeros(0, np.int64)

    def rows(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, content_width] of these items; zero where nothing is known."""
        with self._lock:
            self._settle()
            known = np.where(item < len(self._changed), item, 0)
            content = self._said(known)
            common = self._common
        text = content[:, : self._text_width]  # [n, W] a view
        silent = ~text.any(1)
        text -= common
        text /= np.sqrt((text * text).sum(1, keepdims=True)).clip(min=_LEAST_NORM)
        text[silent] = 0
        return content

    def state(self) -> dict[str, NDArray[Any]]:
        """Copy of the reviews' means, for a checkpoint; what the catalog says comes from the catalog again."""
        with self._lock:
            item = np.flatnonzero(self._reviewed)
            return {"item": item, "mean": self._reviews[item], "count": self._reviewed[item]} if len(item) else {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from `state`. WeightsError where it was made with another text encoder's width."""
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

    def _said(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, content_width] [d + r; f] of known items."""
        said = self._described[item].astype(np.float32)
        said[:, : self._text_width] += self._reviews[item]
        return said

    def _settle(self) -> None:
        """What was described meanwhile is encoded, and the common part is that of about all texts."""
        self._encode_waiting()
        if not self._text_width or self._texts < max(2 * self._texts_then, _FIRST_TEXTS):
            return
        known = np.flatnonzero(self._changed)
        total, count = np.zeros(self._text_width), 0
        for low in range(0, len(known), _BLOCK_ROWS):
            text = self._said(known[low : low + _BLOCK_ROWS])[:, : self._text_width]
            total += text.sum(0)
            count += int(text.any(1).sum())
        self._common = (total / max(count, 1)).astype(np.float32)
        self._texts_then = self._texts
        self._touch(known)

    def _encode_waiting(self) -> None:
        if not self._waiting:
            return
        item = np.array(list(self._waiting))
        described = np.zeros((len(item), self._described.shape[1]), dtype=np.float32)
        if self.encoder is not None:
            described[:, : self._text_width] = self.encoder.encode([text for text, _ in self._waiting.values()])
        for row, (_, features) in zip(described, self._waiting.values(), strict=True):
            given = np.asarray(features[: self._features], dtype=np.float32)
            row[self._text_width : self._text_width + len(given)] = given
        self._texts += len(item)
        self._waiting.clear()
        self._grow(int(item.max()) + 1)
        self._described[item] = described
        self._touch(item)

    def _touch(self, rows: NDArray[np.int64]) -> None:
        self._version += 1
        self._changed[rows] = self._version

    def _grow(self, rows: int) -> None:
        size = len(self._changed)
        if rows <= size:
            return
        more = max(1 << (rows - 1).bit_length(), 1024) - size
        self._changed, self._described, self._reviews, self._reviewed = (
            np.concatenate([held, np.zeros((more, *held.shape[1:]), held.dtype)])
            for held in (self._changed, self._described, self._reviews, self._reviewed)
        )
