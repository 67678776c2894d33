"""Sizes of the GPU benchmark: those for a card, and small ones that a CPU computes in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Dtype = Literal["float32", "bfloat16"]
DTYPES: Final[tuple[Dtype, ...]] = ("float32", "bfloat16")


@dataclass(frozen=True)
class Sizes:
    """How much each part computes."""

    compared_items: int
    """Items of the comparison of two devices"""
    compared_events: int
    """Events of each of its micro-batches"""
    batches: tuple[int, ...]
    """Events of a micro-batch, by which the cost is measured"""
    items: tuple[int, ...]
    """Items, likewise"""
    rounds: int
    """Micro-batches measured for each of these"""
    training_events: int | None
    """First events of the log that is trained on; None: a quarter of it"""
    epochs: int
    quality_events: int | None
    """First events of the log that is scored; None: all, and the figures are compared with those of the CPU"""
    copy_bytes: int
    """Size of the copies that bandwidth is measured with"""
    matrix: int
    """Rows and columns of the matrices that throughput is measured with"""
    threads: int
    """CPU threads of a computation"""


FULL: Final = Sizes(
    compared_items=2000,
    compared_events=300,
    batches=(1, 32, 1000, 10_000),
    items=(10_000, 100_000, 1_000_000),
    rounds=9,
    training_events=None,
    epochs=3,
    quality_events=None,
    copy_bytes=1 << 30,
    matrix=8192,
    threads=8,
)

SMALL: Final = Sizes(
    compared_items=200,
    compared_events=40,
    batches=(1, 32),
    items=(300, 600),
    rounds=2,
    training_events=1000,
    epochs=2,
    quality_events=600,
    copy_bytes=1 << 22,
    matrix=256,
    threads=1,
)
