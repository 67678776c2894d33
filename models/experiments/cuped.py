"""CUPED: estimates with less variance, by what was known of users before the experiment.

Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
data", WSDM 2013: with a covariate x that the assignment cannot have changed,

    Y' = Y - theta (x - mean(x))        theta = cov(Y, x) / var(x)

has the mean of Y, and the variance (1 - correlation(Y, x)^2) var(Y). Reward per decision is a ratio; Y is its
linearisation, (y - R n) / mean(n) of each user (Budylin, Drutsa, Katsev and Tsoy, "Consistent transformation of ratio
metrics for efficient online controlled experiments", WSDM 2018), and theta is one for all arms, since one for each
would let them differ by it.
"""

from __future__ import annotations

import numpy as np

from models.experiments.moments import BEFORE, DECISIONS, ONE, REWARD, Estimate, FloatArray, estimate, residual_squares


def adjusted(moments: FloatArray) -> Estimate:
    """Reward per decision of the arms of an experiment [..., A, 4, 4], adjusted by the covariate.

    Where the covariate is the same for all users, the estimate is the one without it.
    """
    plain = estimate(moments)
    users, x = plain.users, moments[..., ONE, BEFORE]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = users / moments[..., ONE, DECISIONS]  # 1 / mean(n)
        x_squares = moments[..., BEFORE, BEFORE] - x**2 / users  # around the arm's mean
        # The residuals of an arm sum to 0, so that its mean of x drops out.
        products = scale * (moments[..., REWARD, BEFORE] - plain.mean * moments[..., DECISIONS, BEFORE])
        total = np.nansum(x_squares, axis=-1)
        tiny = 1e-12 * np.nansum(moments[..., BEFORE, BEFORE], axis=-1)
        theta = np.where(total > tiny, np.nansum(products, axis=-1) / total, 0.0)[..., None]
        overall = (np.nansum(x, axis=-1) / np.nansum(users, axis=-1))[..., None]
        mean = plain.mean - theta * (x / users - overall)
        squares = scale**2 * residual_squares(moments, plain.mean) - 2 * theta * products + theta**2 * x_squares
        variance = np.where(users > 1, np.maximum(squares, 0.0) / (users * (users - 1)), np.nan)
    return Estimate(mean, variance, users)
