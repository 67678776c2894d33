"""Settings section of the trainer, which learns for all workers of a group."""

from dataclasses import field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from streams.settings.sections import STRICT


@dataclass(frozen=True, config=STRICT)
class TrainerSettings:
    """The process that learns, one at a time for all workers of a group."""

    mode: Literal["embedded", "external"] = field(
        default="embedded",
        metadata={"help": "embedded: a child process of one of the workers; external: `interest-stream trainer`"},
    )
    release_interval_s: Annotated[float, Field(ge=0.05, le=3600)] = field(
        default=1.0, metadata={"help": "time from one release of the model to the next, where there is something new"}
    )
    learning_share: Annotated[float, Field(gt=0, le=1)] = field(
        default=0.5,
        metadata={"help": "most of a core's time that optimizer steps take; a quarter of it behind a backlog"},
    )
    checkpoint_url: str = field(
        default="",
        metadata={"help": "folder or URL (s3://…) of its checkpoints; empty: `checkpoints` in worker.data_dir"},
    )
    checkpoint_interval_s: Annotated[float, Field(ge=1, le=86_400)] = field(
        default=60.0, metadata={"help": "time between checkpoints"}
    )
    trained_dir: Path = field(
        default=Path("data/trained"),
        metadata={"help": "where `train` puts a checkpoint; where nothing is released yet, learning starts from it"},
    )
    candidate_events: Annotated[int, Field(ge=1)] = field(
        default=2000, metadata={"help": "scored events after which a published model is promoted or refused"}
    )
    candidate_margin: Annotated[float, Field(ge=0)] = field(
        default=0.01,
        metadata={"help": "by how much its mean log-probability may be lower than that in use"},
    )
