from __future__ import annotations

import numpy as np

from bench.horizons.baselines.bg_nbd import BgNbd
from bench.horizons.questions import Questions
from models.data.horizons.horizon_days import DAY_S

R, ALPHA, A, B = 0.8, 30.0, 1.2, 3.0
NOW, HORIZON = 300.0, 30.0


def simulated(users: int, seed: int) -> Questions:
    """What the model assumes: gamma rates, and a chance of leaving after each purchase."""
    random = np.random.default_rng(seed)
    rate, leave = random.gamma(R, 1 / ALPHA, users), random.beta(A, B, users)
    begin = random.uniform(0, 100, users)
    last, count, following = begin.copy(), np.ones(users, np.int64), np.full(users, np.inf)
    for user in range(users):
        time = begin[user]
        while True:
            time += random.exponential(1 / rate[user])
            if time > NOW:
                following[user] = time - NOW
                break
            last[user] = time
            count[user] += 1
            if random.random() < leave[user]:
                break
    seconds = [column * DAY_S for column in (NOW - last, NOW - begin, following)]
    return Questions(np.arange(users), np.full(users, 0), count, *seconds)


def test_it_finds_the_parameters_of_users_who_are_as_it_assumes() -> None:
    questions = simulated(2000, seed=1)
    model = BgNbd(questions, HORIZON * DAY_S)
    r, alpha, a, b = model.parameters
    np.testing.assert_allclose([r, r / alpha, a / (a + b)], [R, R / ALPHA, A / (A + B)], rtol=0.3)
    p, returned = model.return_p(questions), questions.returned(HORIZON * DAY_S)
    assert abs(p.mean() - returned.mean()) < 0.025
    likely = p > np.median(p)
    assert abs(p[likely].mean() - returned[likely].mean()) < 0.04
