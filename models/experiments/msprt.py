"""mSPRT: the mixture sequential probability ratio test, whose p-values hold at all times at once.

Johari, Koomen, Pekelis and Walsh, "Always valid inference: continuous monitoring of A/B tests", Operations Research
2022, section 4: against the hypothesis of no difference stands a mixture of differences, normal around 0 with variance
tau^2. For an estimate D of variance V the likelihood ratio is

    Lambda = sqrt(V / (V + tau^2)) exp(D^2 tau^2 / (2 V (V + tau^2)))

and the p-value at a time is 1 over the largest Lambda until then: Lambda is a martingale without a difference, so that
it ever reaches 1 / alpha with probability alpha at most (Ville). Here tau^2 / V = U rho^2: the mixture is over
differences in units of the standard deviation of one user, so that nobody need guess it, and the test rejects exactly
where the confidence sequence with the same rho leaves 0 out.
"""

from __future__ import annotations

import numpy as np

from models.experiments.moments import Estimate, FloatArray


def log_likelihood_ratio(difference: Estimate, rate: float) -> FloatArray:
    """Logarithm of Lambda for a difference; 0 where it has no variance yet. `rate` is rho^2."""
    r = difference.users * rate
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = -0.5 * np.log1p(r) + 0.5 * difference.mean**2 / difference.variance * r / (r + 1)
    return np.where(np.isnan(log_ratio), 0.0, log_ratio)


def always_valid_p(largest_log_ratio: float) -> float:
    """The p-value after the largest logarithm of Lambda so far."""
    return float(np.exp(-max(0.0, largest_log_ratio)))
