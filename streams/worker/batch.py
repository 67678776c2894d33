"""Micro-batches: the events of one pipeline step as columns, with the rows of the users that they belong to.

Everything here is done per batch where possible; loops over records do only what differs between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from models.config import ModelConfig
from models.data.event_types import IMPRESSION, type_index
from models.data.events import EventBatch
from models.items.vocabulary import ItemVocabulary
from state.event_hash import advance_chain
from state.rows import RowLayout
from streams.errors import Rejected
from streams.kafka.faust_transport import RecordBatch
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.decoder import BUILT_IN_RULES, SchemaRules, decode
from streams.schema.decoding_notes import DecodingNotes
from streams.schema.events import ItemDelete, ItemUpsert, UserDelete, UserEvent, UserUpsert
from streams.schema.prediction_encoder import EventOrigins
from streams.worker.given_profiles import GivenProfile, apply_profiles
from streams.worker.partitions.partition_state import PartitionState

FORWARDED_HEADER: Final = "interest.forwarded-from"
"""Of a user.delete that a worker has written to the partitions beside the one where it was read"""


@dataclass(slots=True)
class PartitionBatch:
    """The decoded records of one partition: n events of U users, control records, and rejected records."""

    state: PartitionState
    next_offset: int
    events: list[UserEvent] = field(default_factory=list)  # [n]
    records: list[ConsumerRecord[bytes, bytes]] = field(default_factory=list)  # [n] of the events
    record_index: list[int] = field(default_factory=list)  # [n] index in a record of several events, else -1
    users: dict[str, int] = field(default_factory=dict)  # [U] user id → index, deleted users included
    event_user: list[int] = field(default_factory=list)  # [n] user index of each event
    items: list[ItemUpsert | ItemDelete] = field(default_factory=list)
    profiles: list[GivenProfile] = field(default_factory=list)
    deleted: dict[str, int] = field(default_factory=dict)  # user id → number of events before the last user.delete
    forwarded: set[str] = field(default_factory=set)  # of `deleted`: by a worker that read it in another partition
    erasures: list[UserDelete] = field(default_factory=list)  # to be forwarded to the other partitions
    rejected: list[tuple[ConsumerRecord[bytes, bytes], Rejected]] = field(default_factory=list)
    notes: DecodingNotes = field(default_factory=DecodingNotes)
    impressions: int = 0  # events that were left out: items that were shown, which is no choice of the user's


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """n events of U users, grouped by user and each user's in offset order, with the users' rows before them.

    Users of whom there is a profile alone come last; the rows have the profiles after the batch.
    """

    topic: str
    parts: list[PartitionBatch]
    event_batch: EventBatch
    records: list[ConsumerRecord[bytes, bytes]]  # [n]
    record_index: list[int]  # [n] index in a record of several events, else -1
    events: list[UserEvent]  # [n]
    offset: NDArray[np.int64]  # [n]
    users: list[bytes]  # [U]
    part_index: NDArray[np.int64]  # [U] index into `parts`
    rows: NDArray[np.void]  # [U]

    @property
    def origins(self) -> EventOrigins:
        """The events as the predictions refer to them."""
        counts = self.rows["count"].astype(np.int64)[self.event_batch.user]  # [n]
        first = np.concatenate([[0], self.last_event[:-1] + 1])[self.event_batch.user]  # [n]
        return EventOrigins(
            self.topic,
            self.events,
            [record.partition for record in self.records],
            self.offset.tolist(),
            self.record_index,
            (counts + np.arange(len(counts)) - first + 1).tolist(),
        )

    @property
    def partition(self) -> NDArray[np.int64]:
        """[U] The partition of each user."""
        return np.array([part.state.partition for part in self.parts])[self.part_index]

    @property
    def last_event(self) -> NDArray[np.int64]:
        """[E] The index of each user's last event, of the users that have any: they come first."""
        return np.flatnonzero(np.diff(self.event_batch.user, append=-1))


def decode_partition(
    state: PartitionState, batches: Sequence[RecordBatch], max_record_bytes: int, rules: SchemaRules = BUILT_IN_RULES
) -> PartitionBatch:
    """Decodes the records of a partition.

    A record of which an event cannot be used is rejected; its other events and its neighbours are not affected.
    """
    part = PartitionBatch(state, batches[-1].next_offset)
    users, event_user = part.users, part.event_user
    for batch in batches:
        for record in batch.records:
            if isinstance(record, UndecodableRecord):
                part.rejected.append((record, Rejected(record.code, record.message)))
                continue
            events, rejected = decode(record, max_record_bytes, rules, part.notes)
            if rejected is not None:
                part.rejected.append((record, rejected))
            several = len(events) > 1
            for index, event in enumerate(events):
                if isinstance(event, UserEvent):
                    if event.event_type == IMPRESSION:
                        part.impressions += 1
                        continue
                    part.events.append(event)
                    part.records.append(record)
                    part.record_index.append(index if several else -1)
                    event_user.append(users.setdefault(event.user_id, len(users)))
                elif isinstance(event, UserUpsert):
                    index = users.setdefault(event.user_id, len(users))
                    part.profiles.append(GivenProfile(index, len(part.events), record.offset, event))
                elif isinstance(event, UserDelete):
                    deleted = users.setdefault(event.user_id, len(users))
                    part.profiles = [given for given in part.profiles if given.user != deleted]
                    part.deleted[event.user_id] = len(part.events)
                    if any(name == FORWARDED_HEADER for name, _ in record.headers):
                        part.forwarded.add(event.user_id)
                    else:
                        part.forwarded.discard(event.user_id)
                        part.erasures.append(event)
                elif event is not None:
                    part.items.append(event)
    return part


def item_ids(parts: Sequence[PartitionBatch]) -> list[str]:
    """Every item of the events, once, in order of appearance."""
    return list(dict.fromkeys(e.item_id for part in parts for e in part.events if e.item_id is not None))


def build_batch(
    topic: str,
    parts: list[PartitionBatch],
    items: ItemVocabulary,
    layout: RowLayout,
    model: ModelConfig | None = None,
) -> MicroBatch:
    """Joins the partitions' events into columns and loads their users' rows.

    Left out are events before a user.delete of the same batch, and events that the row has applied already (offset ≤
    last_offset). Rows name items by their slots in the vocabulary. Profiles of users are read as the model's settings
    say; None: not at all.
    """
    users: list[bytes] = []
    values: list[bytes | None] = []
    partition_columns: list[NDArray[np.int64]] = []
    events: list[UserEvent] = []
    records: list[ConsumerRecord[bytes, bytes]] = []
    record_index: list[int] = []
    profiles: list[GivenProfile] = []
    for part in parts:
        keys = [user.encode() for user in part.users]
        stored = part.state.store.get_many(keys)
        if part.forwarded:
            _leave_unknown(part, stored)
        for user in part.deleted:
            stored[part.users[user]] = None
        columns = _columns(part, items)
        columns[_USER] += len(users)
        columns[_INDEX] += len(events)
        partition_columns.append(columns)
        if model is not None and model.profile_width:
            profiles += [
                given._replace(user=given.user + len(users), event=given.event + len(events)) for given in part.profiles
            ]
        users += keys
        values += stored
        events += part.events
        records += part.records
        record_index += part.record_index
    rows = layout.unpack(values)
    if items.register.has_evicted:
        rows["ring_item"] = items.register.slots(rows["ring_item"])
    columns = np.concatenate(partition_columns, axis=1)  # [6, n]
    keep = (columns[_ITEM] != _LEFT_OUT) & (columns[_OFFSET] > rows["last_offset"][columns[_USER]])
    columns = columns[:, keep]  # [6, n]
    columns = columns[:, np.argsort(columns[_USER], kind="stable")]
    profiles = [given for given in profiles if given.offset > rows["last_offset"][given.user]]
    user_index, event_user = np.unique(columns[_USER], return_inverse=True)
    others = np.setdiff1d([given.user for given in profiles], user_index).astype(np.int64)
    user_index = np.concatenate([user_index, others])
    rows = rows[user_index]
    profile = None
    if model is not None and profiles:
        profile = apply_profiles(profiles, rows, user_index, event_user, columns[_INDEX], model)
    event_index = columns[_INDEX].tolist()
    kept = [events[i] for i in event_index]
    part_index = np.repeat(np.arange(len(parts)), [len(part.users) for part in parts])
    return MicroBatch(
        topic=topic,
        parts=parts,
        event_batch=EventBatch(
            event_user.astype(np.int64),
            columns[_ITEM],
            columns[_TYPE],
            columns[_TIME],
            value=_values(kept),
            text=[event.text or "" for event in kept] if any(event.text for event in kept) else None,
            profile=profile,
        ),
        records=[records[i] for i in event_index],
        record_index=[record_index[i] for i in event_index],
        events=kept,
        offset=columns[_OFFSET],
        users=[users[i] for i in user_index.tolist()],
        part_index=part_index[user_index],
        rows=rows,
    )


def _leave_unknown(part: PartitionBatch, stored: Sequence[bytes | None]) -> None:
    """Drops forwarded deletions of users whom the partition does not have: a tombstone would only repeat their ids."""
    present = {*part.event_user, *(given.user for given in part.profiles)}
    for user in part.forwarded:
        index = part.users[user]
        if stored[index] is None and index not in present:
            del part.deleted[user]


def _values(events: Sequence[UserEvent]) -> NDArray[np.float32] | None:
    values = [event.value for event in events]
    if all(value is None for value in values):
        return None
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


_USER, _ITEM, _TYPE, _TIME, _OFFSET, _INDEX = range(6)
_LEFT_OUT = -1


def _columns(part: PartitionBatch, items: ItemVocabulary) -> NDArray[np.int64]:
    """User, item, type, time, offset and index of each event of the partition: [6, n]."""
    slot = items.slot
    columns = np.array(
        [
            part.event_user,
            [0 if event.item_id is None else slot(event.item_id) or 0 for event in part.events],
            [type_index(event.event_type) for event in part.events],
            [event.time_ms for event in part.events],
            [record.offset for record in part.records],
            range(len(part.events)),
        ],
        dtype=np.int64,
    )  # [6, n]
    for user, events_before in part.deleted.items():
        earlier = columns[:, :events_before]
        earlier[_ITEM, earlier[_USER] == part.users[user]] = _LEFT_OUT
    return columns


def count_events(batch: MicroBatch, rows: NDArray[np.void]) -> NDArray[np.void]:
    """[U] The rows, in place, with the batch counted: number of events, last offset, hash chain over the event ids."""
    last = batch.last_event
    rows["new_steps"] = 0
    counted = rows[: len(last)]  # users of whom there is a profile alone come behind
    counted["new_steps"] = np.diff(last, prepend=-1)
    counted["count"] += counted["new_steps"]
    counted["last_offset"] = batch.offset[last]
    ids = [event.event_id.encode() for event in batch.events]
    bounds = [0, *(last + 1).tolist()]
    chains = [
        advance_chain(chain.tobytes(), ids[begin:end])
        for chain, (begin, end) in zip(counted["chain"], pairwise(bounds), strict=True)
    ]
    counted["chain"] = np.frombuffer(b"".join(chains), np.uint8).reshape(-1, 16)
    return rows
