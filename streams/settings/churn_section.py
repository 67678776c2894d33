"""Settings section of the churn sweep."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from streams.settings.sections import STRICT


@dataclass(frozen=True, config=STRICT)
class ChurnSettings:
    """Warnings of users who fall silent."""

    enabled: bool = field(
        default=False,
        metadata={"help": "look through all users' rows again and again, and write topics.interest_churn; needs "
                  "model.horizons"},
    )  # fmt: skip
    at_risk_p: Annotated[float, Field(gt=0, lt=1)] = field(
        default=0.6, metadata={"help": "probability of no event within 30 days from which on a user is at risk"}
    )
    lost_p: Annotated[float, Field(gt=0, lt=1)] = field(
        default=0.9, metadata={"help": "likewise, from which on a user is lost"}
    )
    min_silent_days: Annotated[float, Field(ge=0, le=3650)] = field(
        default=7.0, metadata={"help": "a user with an event in the last so many days is not warned of"}
    )
    sweep_interval_s: Annotated[float, Field(ge=0, le=31_536_000)] = field(
        default=3600.0, metadata={"help": "from the beginning of one look through a partition to the next"}
    )
    users_per_s: Annotated[float, Field(gt=0, le=1_000_000)] = field(
        default=1000.0, metadata={"help": "users that a worker looks at in a second, at most"}
    )
    clock: Literal["wall", "stream"] = field(
        default="wall",
        metadata={
            "help": "what silence is measured by: 'wall', or 'stream', the newest event time, where old events are "
            "replayed"
        },
    )

    def __post_init__(self) -> None:
        if self.lost_p < self.at_risk_p:
            raise ValueError("churn.lost_p must not be below churn.at_risk_p")
