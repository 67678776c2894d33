"""The name of the weights that made a record, as readers decode it."""

from typing import Annotated

from msgspec import Meta

ModelVersion = Annotated[
    str,
    Meta(
        pattern=r"^([0-9a-f]{8}\.|m)[0-9]+$",  # m and a version: records of earlier releases
        description="Lineage of the weights in 8 hex digits, and their version in it; each training begins a lineage.",
    ),
]
