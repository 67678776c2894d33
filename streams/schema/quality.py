"""Records of `interest-quality`: prequential quality of a worker, decayed popularity on the same events beside it."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streams.errors import StreamError
from streams.schema.model_version import ModelVersion

SCHEMA_VERSION: Final = 1
INTERVAL_S: Final = 2.0
"""Least time between two records of one worker"""

Share = Annotated[float, Meta(ge=0, le=1)]
Loss = Annotated[float, Meta(ge=0)]


class Means(Struct, gc=False):
    """Means over scored events; null where there are none."""

    recall_at_10: Annotated[Share | None, Meta(description="Share of events whose item was among the first ten.")]
    mrr: Annotated[Share | None, Meta(description="Mean of 1 / rank; 0 where the item could not be predicted.")]
    log_loss: Annotated[
        Loss | None, Meta(description="Mean of -log p in nats, over the events whose item could be predicted.")
    ]


class WorkerQuality(Means, kw_only=True, gc=False):
    """Prequential quality of a worker since its start: each sampled event was scored before it was learnt."""

    worker: Annotated[str, Meta(description="Its transactional id, also the record's key; new at each start.")]
    emitted_at: Annotated[int, Meta(description="When the record was made, epoch ms.")]
    model_version: ModelVersion
    events: Annotated[int, Meta(ge=0, description="Events applied since the worker's start.")]
    scored: Annotated[int, Meta(ge=0, description="Events of them that were drawn and scored.")]
    window: Annotated[int, Meta(ge=0, description="The means are over so many of these, the last ones.")]
    possible: Annotated[int, Meta(ge=0, description="Of the window, events whose item could be predicted.")]
    popularity: Annotated[Means, Meta(description="Decayed popularity on the events of the window.")]
    partitions: Annotated[list[int], Meta(description="Partitions of user-events that it owned then, in order.")] = []
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION


_QUALITY: Final = msgspec.json.Decoder(WorkerQuality)


def decode_quality(value: bytes) -> WorkerQuality:
    """The decoded record. Raises StreamError where it is not a record of `interest-quality`."""
    try:
        return _QUALITY.decode(value)
    except msgspec.MsgspecError as error:
        raise StreamError(f"a record of the quality topic cannot be decoded: {error}") from error


def format_mean(mean: float | None) -> str:
    """Three decimals; a dash where there is none."""
    return "-" if mean is None else f"{mean:.3f}"


def format_quality(quality: WorkerQuality) -> str:
    """The means in one line, popularity's in brackets."""
    popularity = quality.popularity
    return (
        f"recall@10 {format_mean(quality.recall_at_10)} ({format_mean(popularity.recall_at_10)} decayed popularity), "
        f"MRR {format_mean(quality.mrr)} ({format_mean(popularity.mrr)}), "
        f"log-loss {format_mean(quality.log_loss)} ({format_mean(popularity.log_loss)}) over {quality.window} events"
    )
