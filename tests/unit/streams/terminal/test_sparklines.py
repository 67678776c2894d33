from hypothesis import given
from hypothesis import strategies as st

from streams.terminal.sparklines import SPARKS, sparkline, thinned


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_sparks_are_one_character_per_value_and_no_lower_for_a_larger_one(values: list[float]) -> None:
    drawn = sparkline(values)
    assert len(drawn) == len(values)
    heights = [(" " + SPARKS).index(character) for _, character in sorted(zip(values, drawn, strict=True))]
    assert heights == sorted(heights)


def test_sparks_against_a_fixed_top() -> None:
    assert sparkline([0.0, 0.1, 0.5, 1.0, 2.0], 1.0) == " ▁▅██"


@given(st.lists(st.integers(), max_size=100), st.integers(1, 20))
def test_thinned_values_are_spread_and_end_with_the_last(values: list[int], length: int) -> None:
    kept = thinned(values, length)
    assert len(kept) == min(length, len(values))
    assert kept[-1:] == values[-1:]
