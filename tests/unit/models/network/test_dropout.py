import pytest
import torch

from models.network.dropout import Dropout


def test_what_is_dropped_of_some_rows_is_what_is_dropped_of_all() -> None:
    cpu = torch.device("cpu")
    ones = torch.ones(7, 3, 50)
    expected = Dropout(0.2, 0.6, 5, cpu).drop_fused(ones)
    for rows in (slice(0, 7, 2), slice(1, 7, 2)):
        dropped = Dropout(0.2, 0.6, 5, cpu).of_rows(rows, 7).drop_fused(ones[rows])
        assert torch.equal(dropped, expected[rows])


def test_dropout_keeps_the_mean_and_repeats_by_seed() -> None:
    cpu = torch.device("cpu")
    ones = torch.ones(200, 200)
    first, second = (Dropout(0.2, 0.6, 5, cpu) for _ in range(2))
    dropped = first.drop_fused(ones)
    assert torch.equal(dropped, second.drop_fused(ones))
    assert (dropped == 0).float().mean() == pytest.approx(0.6, abs=0.02)
    assert dropped.mean() == pytest.approx(1, abs=0.05)
    assert (first.drop_input(ones) == 0).float().mean() == pytest.approx(0.2, abs=0.02)
