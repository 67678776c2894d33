import torch
from torch import Tensor

from models.config import ModelConfig
from models.network.attention import Attention

_RING, _WIDTH, _HIDDEN = 4, 3, 5


def _attention() -> Attention:
    torch.manual_seed(1)
    attention = Attention(ModelConfig(embedding_dim=_WIDTH, hidden_size=_HIDDEN, history_length=_RING))
    with torch.no_grad():
        attention.lag.copy_(_random(_RING, seed=5))
    return attention


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _by_hand(attention: Attention, h: Tensor, newest_first: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [n] and v [D] of one state over its events [n, D], each key and value projected."""
    score = torch.stack(
        [attention.key(x) @ attention.query(h) / _WIDTH**0.5 + attention.lag[lag] for lag, x in enumerate(newest_first)]
    )
    weight = score.softmax(0)
    return weight, sum((w * attention.value(x) for w, x in zip(weight, newest_first, strict=True)), torch.zeros(_WIDTH))


def test_weights_and_vector_are_those_of_the_formula() -> None:
    attention, h, window = _attention(), _random(2, _HIDDEN), _random(2, _RING, _WIDTH, seed=1)
    valid = torch.ones(2, _RING, dtype=torch.bool)
    valid[1, 2:] = False
    weight, v = attention.read(h, window, valid)
    for row, length in enumerate((4, 2)):
        expected, vector = _by_hand(attention, h[row], window[row, :length])
        torch.testing.assert_close(weight[row, :length], expected)
        torch.testing.assert_close(v[row], vector)
    assert not weight[1, 2:].any()
    torch.testing.assert_close(weight.sum(1), torch.ones(2))


def test_whole_windows_say_after_each_step_what_its_ring_says() -> None:
    attention, h, x = _attention(), _random(2, 7, _HIDDEN), _random(2, 7, _WIDTH, seed=1)
    lag = torch.arange(7)[:, None] - torch.arange(7)
    v = attention.along(h, x, lag.clamp(0, _RING - 1), (lag >= 0) & (lag < _RING))
    for step in range(7):
        for row in range(2):
            events = x[row, max(0, step + 1 - _RING) : step + 1].flip(0)
            torch.testing.assert_close(v[row, step], _by_hand(attention, h[row, step], events)[1])


def test_a_lag_that_is_raised_is_looked_at() -> None:
    attention, h, window = _attention(), _random(2, _HIDDEN), _random(2, _RING, _WIDTH, seed=1)
    with torch.no_grad():
        attention.lag[2] = 50
    weight, v = attention.read(h, window, torch.ones(2, _RING, dtype=torch.bool))
    torch.testing.assert_close(weight[:, 2], torch.ones(2))
    torch.testing.assert_close(v, attention.value(window[:, 2]))
