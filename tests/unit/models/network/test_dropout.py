import pytest
import torch

from models.network.dropout import Dropout


def test_dropout_keeps_the_mean_and_repeats_by_seed() -> None:
    cpu = torch.device("cpu")
    ones = torch.ones(200, 200)
    first, second = (Dropout(0.2, 0.6, 5, cpu) for _ in range(2))
    dropped = first.drop_fused(ones)
    assert torch.equal(dropped, second.drop_fused(ones))
    assert (dropped == 0).float().mean() == pytest.approx(0.6, abs=0.02)
    assert dropped.mean() == pytest.approx(1, abs=0.05)
    assert (first.drop_input(ones) == 0).float().mean() == pytest.approx(0.2, abs=0.02)
