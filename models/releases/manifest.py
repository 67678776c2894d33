"""What a release is of, as JSON."""

import json
from dataclasses import asdict, dataclass, fields

from models.errors import WeightsError
from models.inference.predictions import ModelVersion
from models.inference.stream_counts import CountedEvents


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a release is of."""

    lineage: int
    version: int
    """Of the weights (inference/predictions.py ModelVersion)"""
    lr_step: int
    """Of the learning-rate schedule"""
    counted_events: int
    """Events that the trainer has counted: popularity ages by these"""
    counted_with_item: int
    """Those of them that have an item"""

    @property
    def model_version(self) -> ModelVersion:
        """Lineage and version."""
        return ModelVersion(self.lineage, self.version)

    @property
    def counted(self) -> CountedEvents:
        """Events that the trainer has counted."""
        return CountedEvents(self.counted_events, self.counted_with_item)

    def encode(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()

    @staticmethod
    def decode(manifest: bytes) -> "Manifest":
        """From its JSON; what it does not know is left out. WeightsError where it is none."""
        known = {field.name for field in fields(Manifest)}
        try:
            return Manifest(**{name: value for name, value in dict(json.loads(manifest)).items() if name in known})
        except (ValueError, TypeError) as error:
            raise WeightsError(f"a release's manifest is damaged ({error})") from error
