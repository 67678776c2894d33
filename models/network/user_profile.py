"""What is known of a user, as a part of the inputs of the network: a learnt projection of standardised numbers.

    p = W_p clip((n - mean) / deviation)        x_t ← x_t + p, and x = p before the user's first event

Mean and deviation of each number are learnt from the users whose events are learnt, not by the loss; a number that is
not known counts as the mean, so that users without a profile have p = 0.
"""

from typing import Final

import torch
from torch import Tensor, nn

_LARGEST: Final = 4.0
_LEAST_RATE: Final = 1e-3
"""Share of the newest numbers in mean and deviation, at least: they follow what changes"""


class UserProfile(nn.Module):
    """Weight of the projection, and scale of each number. Profiles are [..., F], NaN where not known."""

    def __init__(self, width: int, embedding_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(embedding_dim, width))
        # Parameters that no gradient changes: they are averaged, saved and released as all weights are.
        self.mean, self.variance, self.count = (nn.Parameter(torch.zeros(width), requires_grad=False) for _ in range(3))

    def forward(self, profile: Tensor) -> Tensor:
        """[..., D] what it adds to each input."""
        variance = self.variance.float()
        scale = torch.where(variance > 0, variance.clamp(min=1e-20).rsqrt(), 0)
        deviation = (profile.float() - self.mean.float()) * scale
        return deviation.nan_to_num(nan=0.0).clamp(-_LARGEST, _LARGEST).to(self.weight.dtype) @ self.weight.T

    @torch.no_grad()
    def observe(self, profile: Tensor) -> None:
        """Let mean and deviation follow these profiles [B, F]."""
        known = profile.isfinite()
        count = known.sum(0)  # [F]
        values = torch.where(known, profile, 0).double()
        mean = values.sum(0) / count.clamp(min=1)
        variance = torch.where(known, (values - mean) ** 2, 0).sum(0) / count.clamp(min=1)
        rate = torch.where(count > 0, (count / (self.count + count).clamp(min=1)).clamp(min=_LEAST_RATE), 0)
        difference = mean - self.mean
        self.variance.copy_((1 - rate) * (self.variance + rate * difference**2) + rate * variance)
        self.mean.add_(rate * difference)
        self.count.add_(count)
