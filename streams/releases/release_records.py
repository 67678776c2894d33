"""A release as the records of one transaction: chunks of what changed, tombstones of what is gone, the manifest."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from streams.kafka.transaction import ProducerRecord
from streams.releases.chunks import MANIFEST_KEY, removal, split_part
from streams.releases.envelope import FORMAT, ReleaseEnvelope
from streams.releases.inventory import PartInventory
from streams.releases.release import ChangelogPosition


class ReleaseRecords:
    """Makes the records of one release after the other, and remembers which parts the topic then has."""

    def __init__(self, writer: str, size: int) -> None:
        """Names the writer, a transactional id; chunks have at most `size` bytes."""
        self._writer = writer
        self._size = size
        self._inventory = PartInventory()
        self._manifest_chunks = 0
        self.number = 0
        """Of the last release."""

    def resume(self, inventory: PartInventory, manifest_chunks: int, number: int) -> None:
        """The topic has these parts, and so many chunks of a manifest, since the release of this number."""
        self._inventory, self._manifest_chunks, self.number = inventory.copy(), manifest_chunks, number

    def forget(self) -> None:
        """The topic has no parts any more."""
        self._inventory, self._manifest_chunks = PartInventory(), 0

    def of(
        self, parts: Mapping[str, bytes | None], manifest: bytes, covered: ChangelogPosition, full: bool
    ) -> list[ProducerRecord]:
        """The records of the next release, to be written in this order; a part that is None is removed.

        `full`: the parts are all of the model, and others are removed. Raises ValueError for a key that no part may
        have, and for a manifest that is not JSON.
        """
        _check(parts, manifest)
        previous, records = self._inventory, list[ProducerRecord]()
        entries = {}
        for key, part in parts.items():
            if part is not None:
                entries[key], chunks = split_part(key, part, self._size)
                records += chunks
        kept = entries.keys() if full else {*previous, *entries} - {key for key in parts if key not in entries}
        removed = [key for key in previous if key not in kept]
        for key in (*removed, *entries):
            if (before := previous.get(key)) is not None:
                records += removal(key, entries[key].chunks if key in entries else 0, before.chunks)
        previous.keep(kept)
        for key, entry in entries.items():
            previous.put(key, entry)
        self.number += 1
        envelope = ReleaseEnvelope(
            format=FORMAT,
            number=self.number,
            writer=self._writer,
            written_ms=int(time.time() * 1000),
            changelog_ids=dict(covered.ids),
            covered=dict(covered.offsets),
            parts={key: entry.sha256.hex() for key, entry in entries.items()},
            removed=removed,
            keys=len(previous),
            digest=previous.digest(),
            manifest=msgspec.Raw(manifest),
        )
        entry, chunks = split_part(MANIFEST_KEY, envelope.encode(), self._size)
        records += removal(MANIFEST_KEY, entry.chunks, self._manifest_chunks)
        self._manifest_chunks = entry.chunks
        return records + chunks


def _check(parts: Mapping[str, bytes | None], manifest: bytes) -> None:
    if MANIFEST_KEY in parts:
        raise ValueError(f"no part may have the key {MANIFEST_KEY!r}")
    try:
        msgspec.json.decode(manifest)
    except msgspec.DecodeError as error:
        raise ValueError(f"the manifest is not JSON: {error}") from error
