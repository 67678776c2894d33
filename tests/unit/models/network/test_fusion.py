from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.config import ModelConfig
from models.network.fusion import GateFusion, LinearFusion, ScaledGateFusion, fused_width, fusion_of
from models.text.sign_codes import BITS

_GATED = ModelConfig(embedding_dim=6, hidden_size=6, attention=False, fusion="gate")


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _gate(scaled: bool) -> GateFusion:
    torch.manual_seed(1)
    return ScaledGateFusion(_GATED) if scaled else GateFusion(_GATED)


def test_the_configured_fusion_is_made() -> None:
    assert isinstance(fusion_of(ModelConfig()), LinearFusion)
    scaled = replace(_GATED, fusion="scaled-gate")
    states, text = _random(4, fused_width(_GATED)), _random(4, BITS, seed=1)
    plain, larger = fusion_of(_GATED), fusion_of(scaled)
    larger.load_state_dict(plain.state_dict())
    torch.testing.assert_close(larger(states, text), 6 * plain(states, text))


def test_linear_fusion_maps_state_attention_and_last_event() -> None:
    config = ModelConfig(embedding_dim=4, hidden_size=6)
    linear = LinearFusion(config)
    h, v, x = _random(2, 6), _random(2, 4, seed=1), _random(2, 4, seed=2)
    weight = linear.mix.weight
    expected = h @ weight[:, :6].T + v @ weight[:, 6:10].T + x @ weight[:, 10:].T + linear.mix.bias
    torch.testing.assert_close(linear(torch.cat([h, v, x], 1), None), expected)
    assert fused_width(config) == 14
    assert fused_width(replace(config, attention=False)) == 10


def test_gate_is_the_softmax_of_state_and_text_and_sums_to_one() -> None:
    gate = _gate(scaled=False)
    h, text = _random(3, 6), _random(3, BITS, seed=1)
    gate_weight = torch.softmax(torch.stack([gate.gate(torch.cat(pair)) for pair in zip(h, text, strict=True)]), 1)
    torch.testing.assert_close(gate(torch.cat([h, _random(3, 6, seed=2)], 1), text), gate_weight * h)
    ones = torch.ones(3, fused_width(_GATED))
    torch.testing.assert_close(gate(ones, text).sum(1), torch.ones(3))
    torch.testing.assert_close(_gate(scaled=True)(ones, text).mean(1), torch.ones(3))


@pytest.mark.parametrize("scaled", [False, True])
def test_text_changes_the_gate_and_no_text_is_zero(scaled: bool) -> None:
    gate, states = _gate(scaled), _random(2, 5, fused_width(_GATED))
    without = gate(states, None)
    assert without.shape == (2, 5, 6)
    torch.testing.assert_close(gate(states, torch.zeros(2, 5, BITS)), without)
    assert not torch.allclose(gate(states, _random(2, 5, BITS, seed=1)), without)


def test_gate_needs_equal_sizes() -> None:
    with pytest.raises(ValueError, match=r"fusion = gate needs model\.embedding_dim = model\.hidden_size"):
        ModelConfig(fusion="gate")
