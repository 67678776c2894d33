import pytest

from streams.cli.replay import parse_rate
from streams.files.delimited import LogError


@pytest.mark.parametrize(("text", "rate"), [("500/s", 500.0), ("500", 500.0), ("0.5/s", 0.5), ("max", None)])
def test_a_rate_is_events_per_second(text: str, rate: float | None) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "5/m", "inf", "nan"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(LogError, match="such as 500/s, or max"):
        parse_rate(text)
