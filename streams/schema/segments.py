"""Records of `interest-segments`: how many users a segment has."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streams.schema.churn import Level

SCHEMA_VERSION: Final = 1


class SegmentSize(Struct, gc=False):
    """Users by what they will want most and by how likely they leave, at a time."""

    category: Annotated[
        str | None, Meta(description="Of the largest share over the longest horizon; null where none is known.")
    ]
    risk: Annotated[Level, Meta(description="Newest level of interest-churn; 'none' where there is none.")]
    users: Annotated[int, Meta(ge=0, description="0: the segment has become empty.")]
    share: Annotated[float, Meta(ge=0, le=1, description="Of all users whose interests are known.")]
    at: Annotated[int, Meta(description="When they were counted, epoch ms.")]
    schema_version: Annotated[int, Meta(ge=1, le=1)] = SCHEMA_VERSION

    def encode(self) -> tuple[bytes, bytes]:
        """Key and value of its record."""
        return segment_key(self.category, self.risk), msgspec.json.encode(self)


def segment_key(category: str | None, risk: Level) -> bytes:
    """Key of a segment's records: the level, then the category, if any, behind a slash."""
    return (risk if category is None else f"{risk}/{category}").encode()
