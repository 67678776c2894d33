"""Sample-ratio check: whether as many users came into each arm as were to come, at whatever time one looks.

Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, section 3: with x users in the
arms, their shares p to be, and a Dirichlet mixture with parameters k p of other shares,

    log BF = log G(k) - log G(k + sum(x)) + sum(log G(k p + x) - log G(k p)) - sum(x log p)

(G is the gamma function) is the logarithm of a martingale where the shares are right: it ever exceeds log(1 / alpha)
with probability alpha at most. It is exact at every size of sample. A chi-square test is not used: looked at again and
again, it finds a fault in every experiment sooner or later. k says how small a deviation is looked for: about
1 / sqrt(k).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_CONCENTRATION: Final = 100.0


def log_bayes_factor(users: Sequence[float], weights: Sequence[float], concentration: float = _CONCENTRATION) -> float:
    """Evidence against these weights of the arms, as a natural logarithm."""
    total_weight = math.fsum(weights)
    shares = [weight / total_weight for weight in weights]
    evidence = math.lgamma(concentration) - math.lgamma(concentration + math.fsum(users))
    for count, share in zip(users, shares, strict=True):
        prior = concentration * share
        evidence += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return evidence
