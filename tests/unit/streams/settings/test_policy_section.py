from streams.settings.settings import load_settings
from tests.unit.streams.settings.faults import faults


def test_prices_that_nothing_can_have_are_refused() -> None:
    (line,) = faults(None, "policy.min_price=10", "policy.max_price=5")
    assert "policy.max_price must not be below policy.min_price" in line
    assert load_settings(None, ["policy.min_price=10"]).policy.max_price == 0  # any
    assert load_settings(None, ["policy.min_price=10", "policy.max_price=10"]).policy.max_price == 10
