"""Segments as a running server answers them: their sizes, and a segment's users as CSV or as records of a topic."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from typing import Any, Final, TextIO
from urllib.parse import urlencode

import msgspec

from streams.kafka.publisher import Publisher
from streams.settings.sections import KafkaSettings
from streams.web.report.answers import get_answer

_PAGE: Final = 1000
COLUMNS: Final = ("user_id", "category", "risk", "risk_since", "no_event_p", "last_event_time")

User = dict[str, Any]


def segment_sizes(url: str, token: str) -> list[dict[str, Any]]:
    """The segments, the largest first. Raises ReportError."""
    segments: list[dict[str, Any]] = get_answer(url, "segments", token)["segments"]
    return segments


def segment_users(url: str, token: str, category: str | None, risk: str | None) -> Iterator[list[User]]:
    """The users of a segment, page by page; None: of every category, of every level. Raises ReportError.

    The first page is asked for at once: a server that does not answer is known before a file is written over.
    """
    filters = {name: value for name, value in (("category", category), ("risk", risk)) if value is not None}

    def page_from(cursor: str | None) -> dict[str, Any]:
        query = {"limit": _PAGE, **filters, **({} if cursor is None else {"cursor": cursor})}
        page: dict[str, Any] = get_answer(url, f"segments/users?{urlencode(query)}", token)
        return page

    def pages(page: dict[str, Any]) -> Iterator[list[User]]:
        yield page["users"]
        while (cursor := page["next"]) is not None:
            page = page_from(cursor)
            yield page["users"]

    return pages(page_from(None))


def write_csv(pages: Iterator[list[User]], out: TextIO) -> int:
    """Writes the users with a line of names before; how many they are."""
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    users = 0
    for page in pages:
        writer.writerows(page)
        users += len(page)
    return users


async def send_to_topic(pages: Iterator[list[User]], kafka: KafkaSettings, topic: str) -> int:
    """Sends a record of each user, keyed by user_id; how many they are. Raises StreamError."""
    users, exported_at = 0, int(time.time() * 1000)
    async with Publisher(kafka, topic) as publisher:
        for page in pages:
            await publisher.send(
                [(user["user_id"].encode(), msgspec.json.encode(user | {"exported_at": exported_at})) for user in page]
            )
            users += len(page)
    return users
