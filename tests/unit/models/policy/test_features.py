import numpy as np

from models.policy.features import UserHistories, context, context_size, exposed, feature_count, features


def test_features_and_context_have_the_widths_that_policies_are_made_with() -> None:
    histories = UserHistories(np.full((2, 4), 0.25), np.zeros((2, 4)), np.zeros((2, 4)))
    made = features(np.array([[0.1, 0, 0.1]] * 2), np.array([[0, 1, 3], [2, 2, 2]]), np.zeros((2, 3)), histories)
    assert made.shape == (2, 3, feature_count(4))
    assert made[0, 2].tolist() == [0, 0, 0, 1, 0, 1, 0, 0]
    assert made[0, 1].tolist() == [0, 1, 0, 0, 0, 1, 0.25, 0]  # not predicted: the interest in its category
    assert context(histories).shape == (2, context_size(4))


def test_exposures_of_a_category_count_what_was_looked_at_and_fade() -> None:
    recent = exposed(np.array([[1.0, 0.0]]), np.array([[1, 1, -1]]), np.array([[1.0, 0.7, 0.5]]))
    assert recent.tolist() == [[0.9, 1.7]]
    histories = UserHistories(np.ones((1, 2)), recent * 5, np.full((1, 2), 2.0))
    made = features(np.array([[0.1]]), np.array([[1]]), np.ones((1, 1)), histories)
    np.testing.assert_allclose(made[0, 0, 2:], [0.2, 0.5, 0, 8.5], rtol=1e-6)
