"""Features of events as tensors on the network's device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data.event_features import EventFeatures
from models.text.sign_codes import BITS, unpack_signs
from models.transfers import to_device


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
        return FeatureTensors.with_arrays(features, [], device)[0]

    @staticmethod
    def with_arrays(
        features: EventFeatures, arrays: Sequence[NDArray[Any]], device: torch.device
    ) -> tuple["FeatureTensors", list[Tensor]]:
        """Copy the features and other arrays to the device at once."""
        text_index = np.flatnonzero(features.text.any(-1))
        text = np.zeros((0, BITS), np.float32)
        if len(text_index):
            text = unpack_signs(features.text.reshape(-1, features.text.shape[-1])[text_index])  # [m, BITS]
        item, kind, gap, value, index, signs, *others = to_device(
            [features.item, features.type, features.gap, features.value, text_index, text, *arrays], device
        )
        return FeatureTensors(
            item=item,
            type=kind,
            gap=gap,
            value=value.long() if features.value.any() else None,
            text_index=index,
            text=signs,
        ), others
