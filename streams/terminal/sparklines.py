"""Sparklines: a series of numbers as one line of bars, one character per value."""

from collections.abc import Iterable, Sequence

BARS = "▁▂▃▄▅▆▇█"
MIN_SHARE = 0.02  # of the maximum: smaller values are blank


def sparkline(values: Iterable[float], maximum: float | None = None) -> str:
    """One character per value, scaled to `maximum` (default: the largest value)."""
    series = list(values)
    top = max([*series, 1e-9]) if maximum is None else maximum
    return "".join(_bar(value / top) for value in series)


def downsample(values: Sequence[float], length: int) -> list[float]:
    """At most `length` of the values at even distances, including the last."""
    if len(values) <= length:
        return list(values)
    return [values[round((index + 1) * len(values) / length) - 1] for index in range(length)]


def _bar(share: float) -> str:
    return " " if share < MIN_SHARE else BARS[min(len(BARS) - 1, int(share * len(BARS)))]
