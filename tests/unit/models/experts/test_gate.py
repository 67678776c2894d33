import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.experts.gate import FEATURES, GATE_BATCH_EVENTS, ExpertGate, GateExamples, log_confidence

_EXPERTS = 4


def gate_of(*weight: float) -> ExpertGate:
    """Experts of these weights and equal shares."""
    return ExpertGate(np.array(weight), np.zeros(len(weight)))


def random_experts(n: int, seed: int = 0, items: int = 9) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """Distributions [n, E, items] and features [n, FEATURES]."""
    random = np.random.default_rng(seed)
    p = torch.from_numpy(random.random((n, _EXPERTS, items)) + 0.01)
    return p / p.sum(2, keepdim=True), np.column_stack([np.ones(n), random.random((n, FEATURES - 1))])


def examples_of(gate: ExpertGate, p: torch.Tensor, features: NDArray[np.float64]) -> GateExamples:
    """Examples in which item 0 came."""
    weight = torch.from_numpy(gate.weights(features)[0])
    log_p = p.log()
    z = torch.einsum("ne,nei->ni", weight, log_p).softmax(1)
    advantage = log_p[:, :, 0] - torch.einsum("ni,nei->ne", z, log_p)
    return GateExamples(features, np.ones(len(p)), p[:, :, 0].numpy(), z[:, 0].numpy(), advantage.numpy())


def test_the_product_has_most_of_the_initial_share() -> None:
    weight, share = gate_of(0.5, 0.1, 0.2, 0.2).weights(np.eye(FEATURES)[:1])
    np.testing.assert_allclose(weight, [[0.5, 0.1, 0.2, 0.2]])
    np.testing.assert_allclose(share, [[1 / (4 + np.e**2)] * 4 + [np.e**2 / (4 + np.e**2)]])


def test_initial_shares_may_differ() -> None:
    gate = ExpertGate(np.full(_EXPERTS, 0.25), np.array([0.0, 0.0, 0.0, -2.0]))
    share = gate.weights(np.eye(FEATURES)[:1])[1][0]
    np.testing.assert_allclose(share[3] / share[0], np.exp(-2))
    assert share.sum() == pytest.approx(1)


def test_confidence_has_a_lower_bound() -> None:
    confidence = log_confidence(np.array([0.0, 1e-4, np.exp(-2.5), 1.0]))
    np.testing.assert_allclose(confidence, [confidence[1], np.log(1e-4) / 5 + 0.5, 0.0, 0.5], atol=1e-12)


def test_one_step_is_adams_along_the_gradient_by_autograd() -> None:
    gate = gate_of(0.5, 0.1, 0.2, 0.2)
    p, features = random_experts(GATE_BATCH_EVENTS)
    before = gate.state()
    w, g, logits = (torch.from_numpy(before[f"value.{name}"]).requires_grad_() for name in ("w", "G", "L"))
    f = torch.from_numpy(features)
    z = torch.einsum("ne,nei->ni", w + f @ g.T, p.log()).softmax(1)
    share = (f @ logits.T).softmax(1)
    mixed = (share[:, :-1] * p[:, :, 0]).sum(1) + share[:, -1] * z[:, 0]
    gradients = torch.autograd.grad(-mixed.log().mean(), (w, g, logits))
    gate.update(examples_of(gate, p, features))
    after = gate.state()
    assert after["steps"] == 1
    for name, gradient in zip(("w", "G", "L"), gradients, strict=True):
        np.testing.assert_allclose(after[f"exp_avg.{name}"], 0.1 * gradient.numpy(), rtol=1e-9, atol=1e-15)
        moved = after[f"value.{name}"] - before[f"value.{name}"]
        np.testing.assert_allclose(moved, -0.007 * np.sign(gradient.numpy()), rtol=0.01)


def test_a_step_waits_for_its_events() -> None:
    gate, at_once = gate_of(*[0.25] * _EXPERTS), gate_of(*[0.25] * _EXPERTS)
    p, features = random_experts(GATE_BATCH_EVENTS)
    for low in range(0, GATE_BATCH_EVENTS, 8):
        assert gate.state()["steps"] == 0
        gate.update(examples_of(gate, p[low : low + 8], features[low : low + 8]))
    at_once.update(examples_of(at_once, p, features))
    for name, array in at_once.state().items():
        np.testing.assert_allclose(gate.state()[name], array, rtol=1e-9)


def test_an_expert_that_is_right_gets_a_large_share() -> None:
    gate = gate_of(*[0.25] * _EXPERTS)
    for seed in range(300):
        p, features = random_experts(GATE_BATCH_EVENTS, seed)
        p[:, 2] = 0.01
        p[:, 2, 0] = 0.92
        gate.update(examples_of(gate, p, features))
    p, features = random_experts(5, seed=1000)
    p[:, 2, 0] = 0.92
    examples = examples_of(gate, p, features)
    _, share = gate.weights(features)
    assert ((share * np.column_stack([examples.expert_p, examples.product_p])).sum(1) > 0.7).all()


def test_the_weight_of_the_network_is_never_negative() -> None:
    gate = gate_of(*[0.25] * _EXPERTS)
    for seed in range(200):
        p, features = random_experts(GATE_BATCH_EVENTS, seed)
        p[:, 0] = torch.linspace(0.01, 0.2, 9)  # least for the item that comes
        gate.update(examples_of(gate, p / p.sum(2, keepdim=True), features))
    assert (gate.weights(random_experts(50, 1)[1])[0][:, 0] >= 0).all()
    for seed in range(200):
        p, features = random_experts(GATE_BATCH_EVENTS, seed)
        p[:, 0] = 0.01
        p[:, 0, 0] = 0.92
        gate.update(examples_of(gate, p, features))
    assert (gate.weights(random_experts(50, 1)[1])[0][:, 0] > 0).all()


def test_impossible_items_and_numbers_that_are_not_finite_are_left_out() -> None:
    gate = gate_of(*[0.25] * _EXPERTS)
    p, features = random_experts(GATE_BATCH_EVENTS)
    examples = examples_of(gate, p, features)
    examples.expert_p[0], examples.product_p[0] = 0, 0
    examples.score_advantage[1, 2] = np.inf
    gate.update(examples)
    assert gate.state()["steps"] == 0
    gate.update(examples_of(gate, p[2:4], features[2:4]))
    state = gate.state()
    assert state["steps"] == 1
    assert all(np.isfinite(array).all() for array in state.values())


def test_a_restored_gate_goes_on_as_it_was() -> None:
    gate, other = gate_of(*[0.25] * _EXPERTS), gate_of(*[0.9] * _EXPERTS)
    for seed in range(3):
        p, features = random_experts(GATE_BATCH_EVENTS, seed)
        gate.update(examples_of(gate, p, features))
    other.restore(gate.state())
    for either in (gate, other):
        p, features = random_experts(GATE_BATCH_EVENTS, 9)
        either.update(examples_of(either, p, features))
    for name, array in gate.state().items():
        np.testing.assert_array_equal(other.state()[name], array)
    with pytest.raises(ValueError, match="4 experts there, 5 here"):
        gate_of(*[0.2] * 5).restore(gate.state())
