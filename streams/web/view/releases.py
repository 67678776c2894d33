"""Releases of the model: the newest ones, as their manifests have them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from state.ordered_store import OrderedStore
from streams.releases.envelope import ReleaseEnvelope
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import RELEASE, number_key
from streams.web.view.rows import RELEASE_ROW, ReleaseRow, encode

KEPT: Final = 500


class Releases:
    """Rows of releases. `put` is for the thread that writes, the rest is for any."""

    def __init__(self, store: OrderedStore) -> None:
        self._store = store

    def put(self, envelope: ReleaseEnvelope, batch: ViewBatch) -> None:
        """A release that is committed. Releases are numbered anew where their topic is: time is their order."""
        row = release_row(envelope)
        key = number_key(RELEASE, max(0, row.released_at))
        if batch.get(key) is not None:
            return
        batch.put(key, encode(row))
        for index, (old, _) in enumerate(self._store.scan(RELEASE, reverse=True)):
            if index >= KEPT:
                batch.delete(old)

    def newest(self) -> Iterator[ReleaseRow]:
        """The releases, newest first."""
        for _, value in self._store.scan(RELEASE, reverse=True):
            yield RELEASE_ROW(value)


def release_row(envelope: ReleaseEnvelope) -> ReleaseRow:
    """What is kept of a manifest; 0 and None for what it does not say."""
    manifest: dict[str, Any] = msgspec.json.decode(envelope.manifest)
    quality = manifest.get("quality") or {}
    return ReleaseRow(
        envelope.number,
        f"{manifest.get('lineage', 0):08x}.{manifest.get('version', 0)}",
        envelope.written_ms,
        int(manifest.get("items", 0)),
        int(manifest.get("counted_events", 0)),
        quality.get("recall_at_10"),
        quality.get("log_loss"),
    )
