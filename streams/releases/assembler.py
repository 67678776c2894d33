"""Records of the topic of releases → complete releases, or the fault of one that is not complete.

Knows the order of records; knows nothing of Kafka's clients. A topic that is compacted while it is read lacks chunks of
releases that are followed by newer ones: such a release is a fault, and a later one holds what it lacked.
"""

from __future__ import annotations

from aiokafka import ConsumerRecord

from streams.kafka.undecodable import UndecodableRecord
from streams.releases.chunks import MANIFEST_KEY, ChunkError, PartChunks, parse_key
from streams.releases.envelope import ReleaseEnvelope
from streams.releases.inventory import PartInventory
from streams.releases.release import ChangelogPosition, Release, ReleaseFault


class ReleaseAssembler:
    """Takes the records of one partition in order, and remembers each part's hash, but not its bytes.

    A release comes out once its manifest is read and all parts of the model are those that the manifest is of; what
    changed in releases that did not come out is in it too.
    """

    def __init__(self) -> None:
        self._inventory = PartInventory()  # as read so far, releases that did not come out included
        self._fresh: dict[str, bytes] = {}  # since the last release that came out
        self._removed: set[str] = set()  # likewise
        self._listed: set[str] = set()  # likewise: in a manifest
        self._unfinished: dict[str, PartChunks] = {}
        self._broken: dict[str, str] = {}  # part → why its newest bytes cannot be used
        self._none_came_out = True
        self.number = 0
        """Of the last manifest that was read."""
        self.manifest_chunks = 0
        """Of the same."""

    @property
    def inventory(self) -> PartInventory:
        """The parts that were read, and not removed."""
        return self._inventory

    @property
    def holds_parts(self) -> bool:
        """Whether parts were read, of which no release has come out."""
        return bool(self._fresh or self._broken or self._unfinished)

    def add(self, record: ConsumerRecord[bytes, bytes]) -> Release | ReleaseFault | None:
        """What the record completes, if anything; a record that is no chunk of a release is a fault by itself."""
        if isinstance(record, UndecodableRecord):
            return ReleaseFault(None, f"offset {record.offset}", record.message)
        try:
            key, index = parse_key(record.key)
        except ChunkError as error:
            return ReleaseFault(None, f"offset {record.offset}", str(error))
        if record.value is None:
            if index == 0 and key != MANIFEST_KEY:
                self._remove(key)
            return None
        try:
            if index == 0:
                self._unfinished[key] = PartChunks(record.headers)
            elif key not in self._unfinished:
                raise ChunkError(f"chunk {index} came without chunk 0")
            part = self._unfinished[key].add(index, record.headers, record.value)
        except ChunkError as error:
            self._unfinished.pop(key, None)
            if key == MANIFEST_KEY:
                return ReleaseFault(None, key, str(error))
            self._broken[key] = str(error)
            return None
        if part is None:
            return None
        entry = self._unfinished.pop(key).entry
        if key == MANIFEST_KEY:
            self.manifest_chunks = entry.chunks
            return self._close(part)
        self._broken.pop(key, None)
        self._removed.discard(key)
        self._inventory.put(key, entry)
        self._fresh[key] = part
        return None

    def _remove(self, key: str) -> None:
        if self._inventory.get(key) is not None:
            self._removed.add(key)
        self._inventory.remove(key)
        self._fresh.pop(key, None)
        self._unfinished.pop(key, None)
        self._broken.pop(key, None)

    def _close(self, manifest: bytes) -> Release | ReleaseFault:
        try:
            envelope = ReleaseEnvelope.decode(manifest)
        except ValueError as error:
            return ReleaseFault(None, MANIFEST_KEY, str(error))
        self.number = envelope.number
        self._listed |= envelope.parts.keys()
        if envelope.lists_all:
            self._keep(envelope)
        if (fault := self._fault(envelope)) is not None:
            return fault
        is_complete = self._none_came_out or len(self._fresh) == envelope.keys
        release = Release(
            number=envelope.number,
            parts=self._fresh,
            removed=frozenset(() if is_complete else self._removed),
            is_complete=is_complete,
            manifest=bytes(envelope.manifest),
            covered=ChangelogPosition(envelope.covered, envelope.changelog_ids),
            writer=envelope.writer,
            written_ms=envelope.written_ms,
        )
        self._fresh, self._removed, self._listed, self._none_came_out = {}, set(), set(), False
        return release

    def _keep(self, envelope: ReleaseEnvelope) -> None:
        """Drops all but the parts of a release that holds the whole model: what else was read is of no concern."""
        self._removed |= {key for key in self._inventory if key not in envelope.parts}
        self._inventory.keep(envelope.parts)
        for parts in (self._fresh, self._unfinished, self._broken):
            for key in parts.keys() - envelope.parts.keys():
                del parts[key]

    def _fault(self, envelope: ReleaseEnvelope) -> ReleaseFault | None:
        for key, sha256 in envelope.parts.items():
            entry = self._inventory.get(key)
            if entry is None or entry.sha256.hex() != sha256 or key in self._broken or key in self._unfinished:
                return ReleaseFault(envelope.number, key, self._reason(key))
        for key in (*self._broken, *self._unfinished):
            return ReleaseFault(envelope.number, key, f"since an earlier release, {self._reason(key)}")
        if len(self._inventory) == envelope.keys and self._inventory.digest() == envelope.digest:
            return None
        foreign = sorted((self._fresh.keys() | self._removed) - self._listed)
        if foreign and not self._none_came_out:
            return ReleaseFault(envelope.number, foreign[0], "was written by somebody else than the trainer")
        return ReleaseFault(
            envelope.number,
            "digest",
            f"of the model's {envelope.keys} parts {len(self._inventory)} are there, not all as the trainer wrote them",
        )

    def _reason(self, key: str) -> str:
        if key in self._broken:
            return self._broken[key]
        return "chunks of it are missing" if key in self._unfinished else "it is not what the manifest lists"
