"""What catalog and reviews say of each item, as one vector per item.

    content = [d + r; f]      d: title, categories and text of the catalog      r: mean of its reviews      f: features

d and r are text vectors (text.py), f the numbers that the catalog gives. Rows of items of which nothing is said are
zero, and take no memory as long as no item beyond them is described.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import ModelConfig
from models.errors import WeightsError
from models.text import TextEncoder, encoder

_MOST_REVIEWS: Final = 1000
"""Reviews after which the mean goes on as a running one: an old item can still change its name"""


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

    @property
    def version(self) -> int:
        """Changes whenever a row does; 0 while nothing is known of any item."""
        with self._lock:
            self._encode_waiting()
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
            self._touch(rows)

    def changed_since(self, version: int) -> tuple[int, NDArray[np.int64]]:
        """The version now, and the items whose rows changed since."""
        with self._lock:
            now = self.version
            return now, np.flatnonzero(self._changed > version) if now > version else np.zeros(0, np.int64)

    def rows(self, item: NDArray[np.int64]) -> NDArray[np.float32]:
        """[n, content_width] of these items; zero where nothing is known."""
        with self._lock:
            self._encode_waiting()
            known = np.where(item < len(self._changed), item, 0)
            content = self._described[known].astype(np.float32)
            content[:, : self._text_width] += self._reviews[known]
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
            self._touch(state["item"])

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
