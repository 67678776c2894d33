import numpy as np
import pytest
import torch

from models.data.event_features import EventFeatures
from models.network.feature_tensors import FeatureTensors
from models.text.sign_codes import BITS, BYTES, unpack_signs


def test_tensors_hold_only_the_texts_and_values_that_are_there() -> None:
    features = EventFeatures.zeros((4, 5), BYTES)
    features.item[:] = np.arange(20).reshape(4, 5)
    features.value[1, 2] = 200
    features.text[3, 1] = 1
    features.text[0, 4] = 7
    tensors = FeatureTensors.of(features, torch.device("cpu"))
    assert torch.equal(tensors.item, torch.from_numpy(features.item))
    assert tensors.value is not None
    np.testing.assert_array_equal(tensors.value.numpy(), features.value)
    assert tensors.text_index.tolist() == [4, 16]
    np.testing.assert_array_equal(tensors.text.numpy(), unpack_signs(features.text.reshape(20, BYTES)[[4, 16]]))


@pytest.mark.parametrize("code_bytes", [0, BYTES])
def test_events_without_value_and_text_make_no_tensors_of_them(code_bytes: int) -> None:
    tensors = FeatureTensors.of(EventFeatures.zeros((3, 2), code_bytes), torch.device("cpu"))
    assert tensors.value is None
    assert tensors.text.shape == (0, BITS)
    assert len(tensors.text_index) == 0
