"""What synthetic users truly want, as whoever made them knows it: shown beside predictions, and seen by no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from streams.errors import StreamError


class TrueShare(BaseModel):
    """A category of the user's true interest."""

    category: str
    p: float


class TruePoint(BaseModel):
    """The user's true interest from the event at this time on."""

    event_time: int
    categories: list[TrueShare]


class Truth(BaseModel):
    """The true interest of a synthetic user over time, oldest first."""

    user_id: str
    points: list[TruePoint]


_TRUTHS: Final = TypeAdapter(list[Truth])


def write_truths(file: Path, truths: Sequence[Truth]) -> None:
    """Write the file that `read_truths` reads."""
    file.write_bytes(_TRUTHS.dump_json(list(truths)))


def read_truths(file: Path) -> dict[str, Truth]:
    """The true interest by user. Raises OSError, and StreamError for what `write_truths` has not written."""
    try:
        return {truth.user_id: truth for truth in _TRUTHS.validate_json(file.read_bytes())}
    except ValidationError as error:
        raise StreamError(f"{file}: is not a file of true interests: {error.errors()[0]['msg']}") from error
