"""Shares of the components of interest, learnt from soft labels."""

from __future__ import annotations

import numpy as np
import pytest

from models.experts.horizons.interest_gate import COMPONENTS, INTEREST_FEATURES, InterestGate


def test_the_component_that_foretells_the_labels_gets_the_share() -> None:
    random = np.random.default_rng(0)
    gate, profile = InterestGate(), COMPONENTS.index("profile")
    before = gate.shares(0, np.ones((1, INTEREST_FEATURES)))[0, 1, profile]
    for _ in range(150):
        features = np.column_stack([np.ones(40), random.random((40, INTEREST_FEATURES - 1))])
        component_p = np.full((40, len(COMPONENTS)), 0.02)
        component_p[:, profile] = 0.2
        gate.learn(0, 1, features, component_p, np.full(40, 0.5))
    shares = gate.shares(0, features)
    np.testing.assert_allclose(shares.sum(2), 1)
    assert shares[:, 1, profile].min() > 0.6 > before
    assert shares[:, 0, profile].max() < 0.2  # another horizon
    assert gate.shares(1, features)[:, 1, profile].max() < 0.2  # categories


def test_labels_that_no_component_foretold_teach_nothing() -> None:
    gate = InterestGate()
    before = gate.state()
    gate.learn(0, 0, np.ones((2, INTEREST_FEATURES)), np.zeros((2, len(COMPONENTS))), np.ones(2))
    for name, array in gate.state().items():
        np.testing.assert_array_equal(array, before[name])


def test_it_goes_on_from_its_state() -> None:
    first, second = InterestGate(), InterestGate()
    x, p = np.ones((3, INTEREST_FEATURES)), np.full((3, len(COMPONENTS)), 0.1)
    p[:, 2] = 0.4
    first.learn(1, 2, x, p, np.ones(3))
    second.restore(first.state())
    for gate in (first, second):
        gate.learn(1, 2, x, p, np.ones(3))
    np.testing.assert_array_equal(first.shares(1, x), second.shares(1, x))
    with pytest.raises(ValueError, match="shares of shape"):
        first.restore({**first.state(), "logits": np.zeros((1, 2, 3, 4))})
