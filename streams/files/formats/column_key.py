"""Names of columns as they are compared: without case, spaces, underscores and hyphens."""

from functools import lru_cache
from typing import Final

_DROP: Final = str.maketrans("", "", " _-\t")


@lru_cache(maxsize=10_000)
def column_key(name: str) -> str:
    """`User ID`, `user-id` and `userId` → `userid`."""
    return name.lower().translate(_DROP)
