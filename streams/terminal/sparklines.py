"""Lines of small bars, one character per value."""

from collections.abc import Iterable, Sequence

SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Iterable[float], largest: float | None = None) -> str:
    """One character per value, the higher the larger; blank where there is next to nothing."""
    line = list(values)
    top = max([*line, 1e-9]) if largest is None else largest
    return "".join(_spark(value / top) for value in line)


def _spark(share: float) -> str:
    return " " if share < 0.02 else SPARKS[min(len(SPARKS) - 1, int(share * len(SPARKS)))]


def thinned(values: Sequence[float], length: int) -> list[float]:
    """At most `length` of the values, evenly spread, the last among them."""
    if len(values) <= length:
        return list(values)
    return [values[round((place + 1) * len(values) / length) - 1] for place in range(length)]
