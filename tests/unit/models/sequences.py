"""Features of events without values and text, for tests of items, types and gaps alone."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.data.event_features import EventFeatures
from models.network.feature_tensors import FeatureTensors


def features_of(item: NDArray[Any], kind: NDArray[Any] | None = None, gap: NDArray[Any] | None = None) -> EventFeatures:
    zeros = np.zeros(item.shape, np.int64)
    kind, gap = (zeros if array is None else array for array in (kind, gap))
    return EventFeatures(item, kind, gap, zeros.astype(np.uint8), np.zeros((*item.shape, 0), np.uint8))


def tensors_of(item: NDArray[Any], kind: NDArray[Any] | None = None, gap: NDArray[Any] | None = None) -> FeatureTensors:
    return FeatureTensors.of(features_of(item, kind, gap), torch.device("cpu"))
