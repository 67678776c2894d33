"""Errors of the package.

ModelError
├── ItemCapacityError      more distinct items than `items.capacity` allows
├── UnknownItemError       an event or a user's row names an item beyond the vocabulary
├── WeightsError           weights that are not finite or do not fit the configuration
├── UnsupportedDtypeError  a number type that this machine cannot compute in
├── DeviceMemoryError      the device has too little memory for the computation
├── TextEncoderError       a pretrained text encoder that cannot be loaded
├── CheckpointError        saved weights that cannot be used
├── HorizonsError          an outlook is asked of a model without `model.horizons`
├── LearningError          online learning that cannot go on
├── TrainingError          a log or settings that cannot be trained on
└── PolicyError            a policy's state that cannot be used
"""


class ModelError(Exception):
    """Root of every error that `models` raises on purpose; the message says what an operator does."""


class ItemCapacityError(ModelError):
    """More distinct items than the vocabulary may hold."""

    def __init__(self, capacity: int, item_id: str) -> None:
        super().__init__(
            f"item {item_id!r} would be number {capacity + 1}, but items.capacity is {capacity}: raise items.capacity"
        )


class UnknownItemError(ModelError):
    """An event or a user's row names an item that the vocabulary does not have."""

    def __init__(self, index: int, known: int) -> None:
        super().__init__(
            f"item index {index} is used, but {known} items are known: the item register was not read to its end, or "
            "the users' rows belong to another register; read the register first, or restore the one of these rows"
        )


class WeightsError(ModelError):
    """Weights that are not finite or whose shapes do not fit the configuration."""


class UnsupportedDtypeError(ModelError):
    """The configured number type cannot be computed on this device."""

    def __init__(self, dtype: str, device: str, fault: str) -> None:
        super().__init__(
            f"model.dtype = {dtype!r} cannot be computed on the device {device!r} of this machine ({fault}): set "
            "model.dtype = 'float32', which works everywhere; bfloat16 needs a CPU with AVX-512 or AMX, or CUDA"
        )


class DeviceMemoryError(ModelError):
    """The device has too little memory for the computation."""

    def __init__(self, advice: str, fault: str) -> None:
        super().__init__(
            f"the device of model.device is out of memory ({fault}): {advice}, or set model.device = 'cpu'"
        )


class TextEncoderError(ModelError):
    """A pretrained text encoder that cannot be loaded: not found, or the extra `text` is not installed."""


class CheckpointError(ModelError):
    """Saved weights that cannot be used: damaged, or made for another configuration or another item register."""


class HorizonsError(ModelError):
    """An outlook is asked of a model that has none."""

    def __init__(self) -> None:
        super().__init__("model.horizons is off: set it to true, in workers and trainer")


class LearningError(ModelError):
    """Online learning that cannot go on: no optimizer step is finite."""


class TrainingError(ModelError):
    """A log or settings that cannot be trained on, or a training that cannot be resumed."""


class PolicyError(ModelError):
    """The state of a policy that cannot be used: damaged, not finite, or of a policy that is not known here."""
