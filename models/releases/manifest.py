"""What a release is of, as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields

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
    items: int = 0
    """Registrations of items that the trainer had read (models/items/slots.py): its rows are those of the slots then"""
    quality: Mapping[str, float | None] = field(default_factory=dict)
    """Of the trainer's predictions since the release before: how many were `scored`, and their means as `Quality` has
    them, None where there is none; `popular_recall_at_10` of decayed popularity beside them"""
    trial: Mapping[str, str | int | float] = field(default_factory=dict)
    """Of the candidate that is on trial, or of the last one: `model`, `state`, `scored`, `gain`, `recall_at_10`,
    `current_recall_at_10`; empty without any"""

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
