"""A worker's model in a process of its own that gets no events: all its CPU time is that of following the releases."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time

import msgspec

from models.device import set_compute_threads
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from streams.settings.settings import Settings, load_settings
from streams.worker.items.item_topics import ItemTopics
from streams.worker.model.followed_model import FollowedModel
from streams.worker.process.launcher import end_with_stdin
from streams.worker.process.lifecycle import exit_with_error


class Applied(msgspec.Struct):
    """The state of the model once a release is applied."""

    time_s: float
    """When, since the epoch"""
    releases: int
    """Applied so far"""
    covered: dict[int, int]
    """Changelog offsets that it contains the rows before, by partition"""
    apply_s: float
    """Wall time that applying took"""
    cpu_s: float
    """CPU time of the process so far"""


async def _run(settings: Settings) -> None:
    vocabulary = ItemVocabulary(settings.items.capacity, ItemContent(settings.model))
    set_compute_threads(settings.model)
    items = ItemTopics(settings, vocabulary)
    model = FollowedModel(settings, items, on_error=exit_with_error)
    await items.index.start()
    await items.catalog.start()
    await model.start()
    releases = 0
    while True:
        await model.wait_for_release(1.0)  # a worker looks once in each step
        await model.apply_new()
        if model.releases > releases:
            releases = model.releases
            applied = Applied(time.time(), releases, dict(model.covered), model.take_seconds(), time.process_time())
            os.write(1, msgspec.json.encode(applied) + b"\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    end_with_stdin()
    asyncio.run(_run(load_settings(None, sys.argv[1:])))
