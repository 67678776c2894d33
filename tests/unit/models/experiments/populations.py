"""Users who come one after the other, in many experiments at once."""

import numpy as np

from models.experiments.moments import FloatArray, products, user_rows


def arrivals(
    random: np.random.Generator, experiments: int, users: int, rates: tuple[float, float], spread: float = 0.0
) -> FloatArray:
    """Moments [E, T, 2, 4, 4] of two arms after each tenth user of each arm.

    A user decides 1 + Poisson(2) times and is rewarded with a probability around the arm's rate, as before the
    experiment: `spread` is how much users differ.
    """
    shape = (experiments, users, 2)
    rate_of_user = np.clip(np.asarray(rates) * np.exp(spread * random.standard_normal(shape) - spread**2 / 2), 0, 1)
    decisions = 1 + random.poisson(2.0, shape)
    before = random.binomial(20, np.clip(rate_of_user * (np.mean(rates) / np.asarray(rates)), 0, 1)) / 20
    of_users = products(user_rows(decisions, random.binomial(decisions, rate_of_user), before))  # [E, U, 2, 4, 4]
    moments: FloatArray = of_users.reshape(experiments, users // 10, 10, 2, 4, 4).sum(axis=2).cumsum(axis=1)
    return moments
