import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from models.experts.gate import FEATURES, GATE_BATCH_EVENTS, ExpertGate, GateExamples, log_confidence

_EXPERTS = 4


def mixer_of(*weight: float) -> ExpertGate:
    """Experts of these weights and equal shares."""
    return ExpertGate(np.array(weight), np.zeros(len(weight)))


def spoken(n: int, seed: int = 0, items: int = 9) -> tuple[torch.Tensor, NDArray[np.float64]]:
    """Distributions [n, E, items] and features [n, FEATURES]."""
    random = np.random.default_rng(seed)
    p = torch.from_numpy(random.random((n, _EXPERTS, items)) + 0.01)
    return p / p.sum(2, keepdim=True), np.column_stack([np.ones(n), random.random((n, FEATURES - 1))])


def verdicts_of(mixer: ExpertGate, p: torch.Tensor, features: NDArray[np.float64]) -> GateExamples:
    """What the mixture says of item 0."""
    weight = torch.from_numpy(mixer.weights(features)[0])
    log_p = p.log()
    z = torch.einsum("ne,nei->ni", weight, log_p).softmax(1)
    lift = log_p[:, :, 0] - torch.einsum("ni,nei->ne", z, log_p)
    return GateExamples(features, np.ones(len(p)), p[:, :, 0].numpy(), z[:, 0].numpy(), lift.numpy())


def test_start_is_the_product_mostly() -> None:
    weight, share = mixer_of(0.5, 0.1, 0.2, 0.2).weights(np.eye(FEATURES)[:1])
    np.testing.assert_allclose(weight, [[0.5, 0.1, 0.2, 0.2]])
    np.testing.assert_allclose(share, [[1 / (4 + np.e**2)] * 4 + [np.e**2 / (4 + np.e**2)]])


def test_shares_may_begin_apart() -> None:
    mixer = ExpertGate(np.full(_EXPERTS, 0.25), np.array([0.0, 0.0, 0.0, -2.0]))
    share = mixer.weights(np.eye(FEATURES)[:1])[1][0]
    np.testing.assert_allclose(share[3] / share[0], np.exp(-2))
    assert share.sum() == pytest.approx(1)


def test_certainty_is_even_where_nothing_was_said() -> None:
    found = log_confidence(np.array([0.0, 1e-4, np.exp(-2.5), 1.0]))
    np.testing.assert_allclose(found, [found[1], np.log(1e-4) / 5 + 0.5, 0.0, 0.5], atol=1e-12)


def test_one_step_is_adams_along_the_gradient_of_the_definition() -> None:
    mixer = mixer_of(0.5, 0.1, 0.2, 0.2)
    p, features = spoken(GATE_BATCH_EVENTS)
    before = mixer.state()
    w, g, gates = (torch.from_numpy(before[f"value.{name}"]).requires_grad_() for name in ("w", "G", "L"))
    f = torch.from_numpy(features)
    z = torch.einsum("ne,nei->ni", w + f @ g.T, p.log()).softmax(1)
    share = (f @ gates.T).softmax(1)
    mixed = (share[:, :-1] * p[:, :, 0]).sum(1) + share[:, -1] * z[:, 0]
    gradients = torch.autograd.grad(-mixed.log().mean(), (w, g, gates))
    mixer.learn(verdicts_of(mixer, p, features))
    after = mixer.state()
    assert after["steps"] == 1
    for name, gradient in zip(("w", "G", "L"), gradients, strict=True):
        np.testing.assert_allclose(after[f"first.{name}"], 0.1 * gradient.numpy(), rtol=1e-9, atol=1e-15)
        moved = after[f"value.{name}"] - before[f"value.{name}"]
        np.testing.assert_allclose(moved, -0.007 * np.sign(gradient.numpy()), rtol=0.01)


def test_a_step_waits_for_its_events() -> None:
    mixer, whole = mixer_of(*[0.25] * _EXPERTS), mixer_of(*[0.25] * _EXPERTS)
    p, features = spoken(GATE_BATCH_EVENTS)
    for low in range(0, GATE_BATCH_EVENTS, 8):
        assert mixer.state()["steps"] == 0
        mixer.learn(verdicts_of(mixer, p[low : low + 8], features[low : low + 8]))
    whole.learn(verdicts_of(whole, p, features))
    for name, array in whole.state().items():
        np.testing.assert_allclose(mixer.state()[name], array, rtol=1e-9)


def test_the_expert_who_knows_is_believed() -> None:
    mixer = mixer_of(*[0.25] * _EXPERTS)
    for seed in range(300):
        p, features = spoken(GATE_BATCH_EVENTS, seed)
        p[:, 2] = 0.01
        p[:, 2, 0] = 0.92
        mixer.learn(verdicts_of(mixer, p, features))
    p, features = spoken(5, seed=1000)
    p[:, 2, 0] = 0.92
    said = verdicts_of(mixer, p, features)
    _, share = mixer.weights(features)
    assert ((share * np.column_stack([said.own, said.product])).sum(1) > 0.7).all()


def test_the_network_is_never_turned_against() -> None:
    mixer = mixer_of(*[0.25] * _EXPERTS)
    for seed in range(200):
        p, features = spoken(GATE_BATCH_EVENTS, seed)
        p[:, 0] = torch.linspace(0.01, 0.2, 9)  # least for the item that comes
        mixer.learn(verdicts_of(mixer, p / p.sum(2, keepdim=True), features))
    assert (mixer.weights(spoken(50, 1)[1])[0][:, 0] >= 0).all()
    for seed in range(200):
        p, features = spoken(GATE_BATCH_EVENTS, seed)
        p[:, 0] = 0.01
        p[:, 0, 0] = 0.92
        mixer.learn(verdicts_of(mixer, p, features))
    assert (mixer.weights(spoken(50, 1)[1])[0][:, 0] > 0).all()


def test_what_was_impossible_or_not_finite_teaches_nothing() -> None:
    mixer = mixer_of(*[0.25] * _EXPERTS)
    p, features = spoken(GATE_BATCH_EVENTS)
    said = verdicts_of(mixer, p, features)
    said.own[0], said.product[0] = 0, 0
    said.lift[1, 2] = np.inf
    mixer.learn(said)
    assert mixer.state()["steps"] == 0
    mixer.learn(verdicts_of(mixer, p[2:4], features[2:4]))
    state = mixer.state()
    assert state["steps"] == 1
    assert all(np.isfinite(array).all() for array in state.values())


def test_restored_it_goes_on_as_it_was() -> None:
    mixer, other = mixer_of(*[0.25] * _EXPERTS), mixer_of(*[0.9] * _EXPERTS)
    for seed in range(3):
        p, features = spoken(GATE_BATCH_EVENTS, seed)
        mixer.learn(verdicts_of(mixer, p, features))
    other.restore(mixer.state())
    for each in (mixer, other):
        p, features = spoken(GATE_BATCH_EVENTS, 9)
        each.learn(verdicts_of(each, p, features))
    for name, array in mixer.state().items():
        np.testing.assert_array_equal(other.state()[name], array)
    with pytest.raises(ValueError, match="4 experts there, 5 here"):
        mixer_of(*[0.2] * 5).restore(mixer.state())
