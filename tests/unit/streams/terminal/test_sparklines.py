from hypothesis import given
from hypothesis import strategies as st

from streams.terminal.sparklines import BARS, downsample, sparkline


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_a_sparkline_has_one_character_per_value_and_larger_values_have_no_lower_bars(values: list[float]) -> None:
    drawn = sparkline(values)
    assert len(drawn) == len(values)
    heights = [(" " + BARS).index(character) for _, character in sorted(zip(values, drawn, strict=True))]
    assert heights == sorted(heights)


def test_a_sparkline_is_scaled_to_the_given_maximum() -> None:
    assert sparkline([0.0, 0.1, 0.5, 1.0, 2.0], 1.0) == " ▁▅██"


@given(st.lists(st.integers(), max_size=100), st.integers(1, 20))
def test_downsampled_values_include_the_last(values: list[int], length: int) -> None:
    kept = downsample(values, length)
    assert len(kept) == min(length, len(values))
    assert kept[-1:] == values[-1:]
