"""Features of events as tensors on the network's device."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data.event_features import EventFeatures
from models.text.sign_codes import BITS, unpack_signs


@dataclass(frozen=True, slots=True)
class FeatureTensors:
    """`EventFeatures` [...] on a device; text vectors of the events that have text alone."""

    item: Tensor
    """[...]"""
    type: Tensor
    """[...]"""
    gap: Tensor
    """[...]"""
    value: Tensor | None
    """[...] None where no event has a value"""
    text_index: Tensor
    """[m] indices, in the flattened shape, of the events with text"""
    text: Tensor
    """[m, BITS] their text vectors"""

    @staticmethod
    def of(features: EventFeatures, device: torch.device) -> "FeatureTensors":
        """Copy the features to the device."""
        text_index = np.flatnonzero(features.text.any(-1))
        text = np.zeros((0, BITS), np.float32)
        if len(text_index):
            text = unpack_signs(features.text.reshape(-1, features.text.shape[-1])[text_index])  # [m, BITS]
        value = torch.from_numpy(features.value).to(device, torch.long) if features.value.any() else None
        return FeatureTensors(
            item=torch.from_numpy(features.item).to(device),
            type=torch.from_numpy(features.type).to(device),
            gap=torch.from_numpy(features.gap).to(device),
            value=value,
            text_index=torch.from_numpy(text_index).to(device),
            text=torch.from_numpy(text).to(device),
        )
