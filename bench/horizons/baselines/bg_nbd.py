"""BG/NBD: users buy at a rate of their own until they drop out after a purchase (Fader, Hardie & Lee, 2005).

Rates are gamma distributed (r, alpha), chances of dropping out beta distributed (a, b). With x repeated events, the
last of them t after the first, T seconds since the first, and B, G the beta and gamma functions, the likelihood is

    B(a, b + x) / B(a, b) · G(r + x) alpha^r / G(r)
        · (1 / (alpha + T)^(r + x) + [x > 0] a / (b + x - 1) / (alpha + t)^(r + x))
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.horizons.questions import Questions
from models.data.horizons.horizon_days import DAY_S

_STEPS = 60
_SAMPLE = 20_000


class BgNbd:
    """Four parameters, fitted by maximum likelihood to what is known of all users at one time."""

    def __init__(self, known: Questions, horizon_s: float, seed: int = 0) -> None:
        if len(known) > _SAMPLE:
            known = known[np.random.default_rng(seed).choice(len(known), _SAMPLE, replace=False)]
        self._horizon = horizon_s / DAY_S
        statistics = [torch.from_numpy(array) for array in _statistics(known)]
        log_parameters = torch.zeros(4, dtype=torch.float64, requires_grad=True)
        with torch.no_grad():
            log_parameters[1] = float(np.log(max(np.median(known.age_s / DAY_S), 1e-3)))
        optimizer = torch.optim.LBFGS([log_parameters], max_iter=_STEPS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            negative = -_log_likelihood(log_parameters, *statistics).mean() + 1e-4 * (log_parameters**2).sum()
            torch.autograd.backward(negative)
            return negative

        optimizer.step(loss)  # type: ignore[no-untyped-call]  # torch has no types for it
        self.parameters: NDArray[np.float64] = log_parameters.detach().exp().numpy()
        """r, alpha (days), a, b"""

    def return_p(self, questions: Questions) -> NDArray[np.float64]:
        """[n] P(the user has not dropped out) · P(an event within the horizon, then)."""
        r, alpha, a, b = self.parameters
        x, last, age = _statistics(questions)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            gone = np.where(x > 0, a / (b + x - 1) * ((alpha + age) / (alpha + last)) ** (r + x), 0)
        p: NDArray[np.float64] = 1 / (1 + gone) * (1 - ((alpha + age) / (alpha + age + self._horizon)) ** (r + x))
        return p


def _statistics(questions: Questions) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """x, t_x and T of each user, in days."""
    age: NDArray[np.float64] = questions.age_s / DAY_S
    last: NDArray[np.float64] = age - questions.silent_s / DAY_S
    return questions.events.astype(np.float64) - 1, last, age


def _log_likelihood(log_parameters: Tensor, x: Tensor, last: Tensor, age: Tensor) -> Tensor:
    r, alpha, a, b = log_parameters.exp()
    common = torch.lgamma(r + x) - torch.lgamma(r) + r * torch.log(alpha)
    beta = _log_beta(a, b + x) - _log_beta(a, b)
    active = -(r + x) * torch.log(alpha + age)
    # Where x = 0 the second term is not there; a finite stand-in keeps the gradient finite.
    repeated = x > 0
    dropped = torch.log(a) - torch.log(b + torch.where(repeated, x, 2.0) - 1) - (r + x) * torch.log(alpha + last)
    either = torch.where(repeated, torch.logaddexp(active, dropped), active)
    log_likelihood: Tensor = common + beta + either
    return log_likelihood


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    beta: Tensor = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    return beta
