"""Where the network computes."""

import torch

from models.config import ModelConfig


def device_of(config: ModelConfig) -> torch.device:
    """The configured device, `auto` being cuda where there is one; the process computes with the configured threads."""
    torch.set_num_threads(config.threads)
    if config.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(config.device)
