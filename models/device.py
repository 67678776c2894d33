"""Where the network computes."""

import torch

from models.config import ModelConfig


def device_of(config: ModelConfig) -> torch.device:
    """The configured device; `auto` is cuda where there is one."""
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)
