"""Decisions of one partition that wait for feedback, in RocksDB: a cache of the partition's part of the changelog.

Keys of the store: the deadline of each decision, and the decision under its user and id, which is also its key in the
changelog. Written only after the transaction that holds the same changes is committed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from shutil import rmtree
from typing import Final

import msgspec

from state.errors import StoreCorruptError
from state.options import StoreMemory
from state.ordered_store import OrderedStore, set_aside
from streams.feedback.open_decision import OpenDecision

_DECISION: Final = b"d"
_DEADLINE: Final = b"t"
_PREDICTION: Final = b"i"
_POSITION: Final = b"p"
_LENGTH: Final = struct.Struct(">H")
_TIME: Final = struct.Struct(">q")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(OpenDecision).decode

Changes = Mapping[bytes, bytes | None]
"""Changelog records: by key the decision as it is stored, None where it waits no more"""


class StorePosition(msgspec.Struct, frozen=True):
    """Up to where the topics are in the store."""

    changelog_id: str
    changelog: int
    predictions_id: str
    predictions: int


_POSITIONS: Final = msgspec.json.Decoder(StorePosition)


def decision_key(user_id: str, decision_id: str) -> bytes:
    """Key of a decision in the changelog."""
    return _user_prefix(user_id) + decision_id.encode()


def encode_open(decision: OpenDecision) -> bytes:
    """Its value in the changelog."""
    return _encode(decision)


class FeedbackStore:
    """Open decisions by user, by id and by deadline, and each user's newest prediction."""

    def __init__(self, folder: Path, memory: StoreMemory, horizon_ms: int) -> None:
        """Opens the folder, or makes a new one where it is damaged; the changelog has all of it."""
        self._horizon_ms = horizon_ms
        try:
            self._store = OrderedStore(folder, memory)
        except StoreCorruptError:
            set_aside(folder)
            self._store = OrderedStore(folder, memory)
        self._folder, self._memory = folder, memory

    def close(self) -> None:
        """Releases the files."""
        self._store.close()

    def clear(self) -> None:
        """Forgets everything."""
        self._store.close()
        rmtree(self._folder)
        self._store = OrderedStore(self._folder, self._memory)

    @property
    def position(self) -> StorePosition | None:
        """As of the last write; None in a new store."""
        value = self._store.get(_POSITION)
        return None if value is None else _POSITIONS.decode(value)

    def of_user(self, user_id: str) -> list[OpenDecision]:
        """All decisions of the user that wait."""
        return [_decode(value) for _, value in self._store.scan(_DECISION + _user_prefix(user_id))]

    def due(self, time_ms: int, most: int) -> Iterator[OpenDecision]:
        """Decisions whose horizon is over at this time, the oldest first, `most` at most."""
        due_keys = []
        for key, _ in self._store.scan(_DEADLINE, before=_DEADLINE + _TIME.pack(max(time_ms - self._horizon_ms, 0))):
            due_keys.append(_DECISION + key[len(_DEADLINE) + _TIME.size :])
            if len(due_keys) == most:
                break
        for value in self._store.get_many(due_keys) if due_keys else ():
            if value is not None:
                yield _decode(value)

    def waiting(self) -> int:
        """How many decisions wait."""
        return sum(1 for _ in self._store.scan(_DECISION))

    def prediction(self, user_id: str) -> bytes | None:
        """The value of the user's newest prediction."""
        return self._store.get(_PREDICTION + user_id.encode())

    def predicted_users(self, most: int) -> Iterator[bytes]:
        """Users with a prediction, `most` at most; read as they are asked for."""
        for key, _ in islice(self._store.scan(_PREDICTION), most):
            yield key[len(_PREDICTION) :]

    def write(self, changes: Changes, predictions: Mapping[bytes, bytes | None], position: StorePosition) -> None:
        """Applies what a transaction has committed, and what followed of predictions, by user: all or nothing."""
        batch: dict[bytes, bytes | None] = {}
        for key, value in changes.items():
            stored = _DECISION + key
            if value is not None:
                batch[_deadline_key(_decode(value).decision.time, key)] = b""
            elif (known := self._store.get(stored)) is not None:
                batch[_deadline_key(_decode(known).decision.time, key)] = None
            batch[stored] = value
        batch |= {_PREDICTION + user: value for user, value in predictions.items()}
        batch[_POSITION] = msgspec.json.encode(position)
        self._store.write(batch)


def _user_prefix(user_id: str) -> bytes:
    """The user's part of a key: its length first, for ids may hold any character."""
    user = user_id.encode()
    return _LENGTH.pack(len(user)) + user


def _deadline_key(time_ms: int, key: bytes) -> bytes:
    return _DEADLINE + _TIME.pack(max(time_ms, 0)) + key
