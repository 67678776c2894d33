"""The callback by which long work reports how far it is: training, evaluation, benchmarks."""

from collections.abc import Callable

ProgressCallback = Callable[[int, int], None]
"""Called with (done, total): how many events or rounds of how many are done"""
