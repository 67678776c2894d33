"""All heads on a user's stored state, with their weights."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import ModelConfig
from models.data.horizons.activity import STATE_FEATURES, Activity
from models.network.heads.return_time import ReturnTimeHead


class HorizonHeads(nn.Module):
    """The heads; they read [h; a], which the network is not trained by."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.inputs = config.hidden_size + STATE_FEATURES
        self.return_time = ReturnTimeHead(self.inputs)
        generator = torch.Generator().manual_seed(config.seed)
        self.return_time.reset(generator)


def head_inputs(rows: NDArray[np.void], activity: Activity, hidden_size: int) -> NDArray[np.float32]:
    """[U, H + STATE_FEATURES] what the heads read of the rows: the last layer's h, and the row's counts."""
    h = rows["h"][:, -hidden_size:].astype(np.float32)
    if not np.isfinite(h).all():
        h = np.nan_to_num(h, nan=0.0, posinf=0.0, neginf=0.0)
    return np.concatenate([h, activity.state_features()], 1)


def hazards(heads: HorizonHeads, inputs: NDArray[np.float32]) -> Tensor:
    """[U, buckets] of the return time."""
    device = heads.return_time.hazard.bias.device
    hazard: Tensor = heads.return_time(torch.from_numpy(inputs).to(device))
    return hazard
