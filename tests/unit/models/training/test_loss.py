import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from models.config import ModelConfig
from models.data.event_types import type_index
from models.data.events import TYPE_WEIGHT
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import InterestNetwork
from models.training.loss import SampledCandidates, gradients
from models.training.replay_buffer import TrainingWindows
from tests.unit.models.sequences import features_of

_KNOWN = 40

Objective = Literal["softmax", "sigmoid", "degree"]


def windows(seed: int = 0, repeats: bool = False) -> TrainingWindows:
    random = np.random.default_rng(seed)
    item = random.permutation(_KNOWN)[:15].reshape(3, 5) + 1
    length = np.array([5, 4, 2])
    if repeats:
        item[0, 4], item[1, 3] = item[0, 1], item[1, 2]
    item[np.arange(5) >= length[:, None]] = 0
    kind = random.integers(0, 11, (3, 5))
    gap = random.integers(0, 32, (3, 5))
    user, profile = np.zeros(3, np.uint32), np.zeros((3, 0), np.float32)
    return TrainingWindows(features_of(item, kind, gap), length, length, np.array([False, True, True]), user, profile)


def active(*inactive: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    mask = np.ones(_KNOWN + 1, dtype=np.bool_)
    mask[[0, *inactive]] = False
    return mask


def expected_loss(network: InterestNetwork, given: TrainingWindows, mask: list[int], filtered: bool) -> torch.Tensor:
    """The definition, one target after another."""
    objective = network.config.objective
    output = network(network.item, FeatureTensors.of(given.features, torch.device("cpu")))
    total, weights = torch.zeros(()), 0.0
    for row, column in zip(*given.targets(), strict=True):
        target = int(given.item[row, column])
        if target in mask:
            continue
        candidate_mask = torch.ones(_KNOWN + 1, dtype=torch.bool)
        candidate_mask[[0, *mask]] = False
        if filtered:
            candidate_mask[given.item[row, :column]] = False
        dot = (output.interest[row, column] @ network.item.T)[: _KNOWN + 1]
        score, is_target = dot + network.item_bias[: _KNOWN + 1], torch.arange(_KNOWN + 1) == target
        others, extra = candidate_mask & ~is_target, torch.zeros(())
        if objective == "sigmoid":
            probability = (score - math.log(1 + int(others.sum()))).sigmoid()
            extra = binary_cross_entropy(
                probability[candidate_mask], is_target[candidate_mask].float(), reduction="sum"
            )
            score = score.detach()
        if network.log_scale is not None:
            extra = (1 - dot[target]) ** 2 + 10 * (dot[others] ** 2).mean()
            score = network.log_scale.exp() * dot.detach() + network.item_bias[: _KNOWN + 1]
        weight = float(TYPE_WEIGHT[given.features.type[row, column]])
        p = score.masked_fill(~candidate_mask, -torch.inf).softmax(0)[target]
        repeatable = [earlier for earlier in range(column) if given.item[row, earlier] not in mask]
        if output.copy_score is not None and output.gate is not None and repeatable:
            share = output.copy_score[row, column][repeatable].softmax(0)
            gate, same = output.gate[row, column].sigmoid(), given.item[row, repeatable] == target
            p = (1 - gate) * p + gate * share[torch.from_numpy(same)].sum()
        total, weights = total + weight * (extra - p.log()), weights + weight
    return total / weights


@pytest.mark.parametrize("objective", ["softmax", "sigmoid", "degree"])
@pytest.mark.parametrize("repeats", ["allow", "filter"])
@pytest.mark.parametrize("inactive", [[], [3, 4, 5, 6]])
def test_loss_and_gradients_are_those_of_the_definition(
    objective: Objective, repeats: Literal["allow", "filter"], inactive: list[int]
) -> None:
    config = replace(
        ModelConfig(embedding_dim=8, hidden_size=12, history_length=5),
        allow_repeats=repeats == "allow",
        objective=objective,
    )
    network = InterestNetwork(config)
    with torch.no_grad():  # degrees and biases that differ, as in a network that has learnt
        network.item.mul_(5)
        network.item_bias.copy_(torch.linspace(-1, 1, network.num_items))
    given = windows(repeats=repeats == "allow")
    result = gradients(network, given, SampledCandidates.all(active(*inactive)))
    assert result is not None
    loss = expected_loss(network, given, inactive, repeats == "filter")
    assert result.loss == pytest.approx(loss.item(), rel=1e-5)
    named = list(network.named_parameters())
    autograd_values = torch.autograd.grad(loss, [parameter for _, parameter in named], allow_unused=True)
    # Nobody has a value or a text here.
    expected = {name: values for (name, _), values in zip(named, autograd_values, strict=True) if values is not None}
    assert {name for name, _ in named} - set(expected) == {"value", "text.weight", "content.weight"}
    assert {gradient.name for gradient in result.row_gradients} == set(expected)
    for gradient in result.row_gradients:
        rows = slice(None) if gradient.rows is None else gradient.rows
        torch.testing.assert_close(gradient.values, expected[gradient.name][rows], rtol=1e-3, atol=1e-5)


def test_an_untrained_network_gives_every_item_the_same_small_probability(config: ModelConfig) -> None:
    network = InterestNetwork(replace(config, objective="sigmoid"))
    with torch.no_grad():
        network.item.zero_()
    given = windows()
    given.item[:, 1:] = 0  # so that the first event of two users is all there is to learn, of 40 items
    result = gradients(network, given, SampledCandidates.all(active()))
    assert result is not None
    target, others = -math.log(1 / 40), -39 * math.log(39 / 40)
    assert result.loss == pytest.approx(target + others + math.log(40), rel=1e-4)


@pytest.mark.parametrize("objective", ["softmax", "sigmoid", "degree"])
def test_sampled_loss_is_the_full_one_on_average(config: ModelConfig, objective: Objective) -> None:
    network = InterestNetwork(replace(config, objective=objective))
    with torch.no_grad():
        network.item.mul_(10)
    full = gradients(network, windows(), SampledCandidates.all(active(9)))
    random = np.random.default_rng(0)
    q = random.random(_KNOWN) + 0.05
    q /= q.sum()
    losses, rows = [], np.zeros((_KNOWN + 1, config.embedding_dim))
    for _ in range(300):
        drawn = random.choice(_KNOWN, 2000, p=q)
        sample = SampledCandidates.sampled(drawn + 1, q[drawn], windows().item.ravel(), active(9))
        result = gradients(network, windows(), sample)
        assert result is not None
        losses.append(result.loss)
        gradient = result.row_gradients[0]
        assert isinstance(gradient.rows, torch.Tensor)
        rows[gradient.rows.numpy()] += gradient.values.numpy() / 300
    assert full is not None
    assert np.mean(losses) == pytest.approx(full.loss, rel=0.005)
    expected = full.row_gradients[0].values
    np.testing.assert_allclose(rows, expected, atol=0.04 * float(expected.abs().max()))


def test_sampled_step_touches_only_its_rows(config: ModelConfig) -> None:
    network = InterestNetwork(config)
    sample = SampledCandidates.sampled(np.array([30, 31]), np.array([0.5, 0.5]), windows().item.ravel(), active())
    result = gradients(network, windows(), sample)
    assert result is not None
    touched = result.row_gradients[0].rows
    assert isinstance(touched, torch.Tensor)
    assert set(touched.tolist()) == {0, 30, 31, *windows().item.ravel().tolist()}


def test_event_types_of_more_weight_have_larger_gradients(config: ModelConfig) -> None:
    network = InterestNetwork(config)
    given = windows()
    given.features.type[:] = type_index("view")
    even = gradients(network, given, SampledCandidates.all(active()))
    given.features.type[0, 4] = type_index("purchase")
    skewed = gradients(network, given, SampledCandidates.all(active()))
    assert even is not None
    assert skewed is not None
    target = given.item[0, 4]
    assert -skewed.row_gradients[1].values[target] > -even.row_gradients[1].values[target] > 0


def test_influence_makes_the_gradient_of_an_event_smaller_and_no_other_larger(config: ModelConfig) -> None:
    network, given = InterestNetwork(config), windows()
    candidates, half = SampledCandidates.all(active()), np.full(given.item.shape, 0.5, np.float32)
    entire, halved = gradients(network, given, candidates), gradients(network, given, candidates, influence=half)
    assert entire is not None
    assert halved is not None
    assert halved.loss == pytest.approx(entire.loss / 2)
    assert halved.weight == entire.weight
    for gradient, smaller in zip(entire.row_gradients, halved.row_gradients, strict=True):
        torch.testing.assert_close(smaller.values, gradient.values / 2)
    first_alone = np.zeros(given.item.shape, np.float32)
    first_alone[0] = 1
    of_first, alone = (
        gradients(network, given[:1], candidates),
        gradients(network, given, candidates, influence=first_alone),
    )
    assert of_first is not None
    assert alone is not None
    assert alone.loss == pytest.approx(of_first.loss * of_first.weight / entire.weight, rel=1e-5)
    assert gradients(network, given, candidates, influence=np.zeros(given.item.shape, np.float32)) is None


def test_no_target_no_loss(config: ModelConfig) -> None:
    given = windows()
    given.item[:] = 0
    assert gradients(InterestNetwork(config), given, SampledCandidates.all(active())) is None
