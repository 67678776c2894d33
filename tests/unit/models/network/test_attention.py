import torch
from torch import Tensor

from models.config import ModelConfig
from models.network.attention import Attention, HistoryMask

_HISTORY, _WIDTH, _HIDDEN = 4, 3, 5


def _attention() -> Attention:
    torch.manual_seed(1)
    attention = Attention(ModelConfig(embedding_dim=_WIDTH, hidden_size=_HIDDEN, history_length=_HISTORY))
    with torch.no_grad():
        attention.lag.copy_(_random(_HISTORY, seed=5))
    return attention


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _by_formula(attention: Attention, h: Tensor, newest_first: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [n] and v [D] of one state over its events [n, D], each key and value projected."""
    score = torch.stack(
        [attention.key(x) @ attention.query(h) / _WIDTH**0.5 + attention.lag[lag] for lag, x in enumerate(newest_first)]
    )
    weight = score.softmax(0)
    return weight, sum((w * attention.value(x) for w, x in zip(weight, newest_first, strict=True)), torch.zeros(_WIDTH))


def test_weights_and_vector_are_those_of_the_formula() -> None:
    attention, h, window = _attention(), _random(2, _HIDDEN), _random(2, _HISTORY, _WIDTH, seed=1)
    valid = torch.ones(2, _HISTORY, dtype=torch.bool)
    valid[1, 2:] = False
    weight, v = attention.step(h, window, valid)
    for row, length in enumerate((4, 2)):
        expected, vector = _by_formula(attention, h[row], window[row, :length])
        torch.testing.assert_close(weight[row, :length], expected)
        torch.testing.assert_close(v[row], vector)
    assert not weight[1, 2:].any()
    torch.testing.assert_close(weight.sum(1), torch.ones(2))


def test_sequences_attend_as_each_event_over_its_history() -> None:
    attention, h, x = _attention(), _random(2, 7, _HIDDEN), _random(2, 7, _WIDTH, seed=1)
    v = attention(h, x, HistoryMask.of(7, _HISTORY, x.device))
    for event in range(7):
        for row in range(2):
            history = x[row, max(0, event + 1 - _HISTORY) : event + 1].flip(0)
            torch.testing.assert_close(v[row, event], _by_formula(attention, h[row, event], history)[1])


def test_a_lag_with_a_large_bias_gets_all_the_weight() -> None:
    attention, h, window = _attention(), _random(2, _HIDDEN), _random(2, _HISTORY, _WIDTH, seed=1)
    with torch.no_grad():
        attention.lag[2] = 50
    weight, v = attention.step(h, window, torch.ones(2, _HISTORY, dtype=torch.bool))
    torch.testing.assert_close(weight[:, 2], torch.ones(2))
    torch.testing.assert_close(v, attention.value(window[:, 2]))
