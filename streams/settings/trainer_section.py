"""Settings section of the trainer, which learns for all workers of a group."""

from dataclasses import field
from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from streams.settings.sections import STRICT


@dataclass(frozen=True, config=STRICT)
class TrainerSettings:
    """One trainer process."""

    release_interval_s: Annotated[float, Field(ge=0.05, le=3600)] = field(
        default=1.0, metadata={"help": "time from one release of the model to the next, where there is something new"}
    )
