"""The work of one step: which records of which partitions, as columns, with the rows of the users whom they touch.

Everything here is per batch where it can be; the loops over records do only what is different for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from models.data.event_types import type_index
from models.data.events import EventBatch
from models.items.vocabulary import ItemVocabulary
from state.event_hash import advance_chain
from state.rows import RowLayout
from streams.errors import Rejected
from streams.kafka.faust_transport import RecordBatch
from streams.schema.events import ItemDelete, ItemUpsert, UserDelete, UserEvent, decode
from streams.schema.prediction_encoder import EventOrigins
from streams.worker.partitions import PartitionState


@dataclass(slots=True)
class PartitionBatch:
    """What a step does for one partition."""

    owner: PartitionState
    next_offset: int
    events: list[UserEvent] = field(default_factory=list)
    records: list[ConsumerRecord[bytes, bytes]] = field(default_factory=list)  # [n] of the events
    slots: dict[str, int] = field(default_factory=dict)  # user → place among the partition's users
    slot: list[int] = field(default_factory=list)  # [n] user of each event
    items: list[ItemUpsert | ItemDelete] = field(default_factory=list)
    erased: dict[str, int] = field(
        default_factory=dict
    )  # user → how many of the events came before the last user.delete
    rejected: list[tuple[ConsumerRecord[bytes, bytes], Rejected]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """n events of U users, grouped by user, and the rows as they were before."""

    topic: str
    parts: list[PartitionBatch]
    batch: EventBatch
    records: list[ConsumerRecord[bytes, bytes]]  # [n]
    events: list[UserEvent]  # [n]
    offset: NDArray[np.int64]  # [n]
    users: list[bytes]  # [U]
    part: NDArray[np.int64]  # [U] place in `parts`
    rows: NDArray[np.void]  # [U]

    @property
    def origins(self) -> EventOrigins:
        """The events as predictions name them."""
        counts = self.rows["count"].astype(np.int64)[self.batch.user]  # [n]
        first = np.concatenate([[0], self.last[:-1] + 1])[self.batch.user]  # [n]
        return EventOrigins(
            self.topic,
            self.events,
            [record.partition for record in self.records],
            self.offset.tolist(),
            (counts + np.arange(len(counts)) - first + 1).tolist(),
        )

    @property
    def last(self) -> NDArray[np.int64]:
        """The index of each user's last event: [U]."""
        return np.flatnonzero(np.diff(self.batch.user, append=len(self.users)))


def decode_partition(owner: PartitionState, batches: Sequence[RecordBatch], max_record_bytes: int) -> PartitionBatch:
    """The partition's share of a step: decoded events, control records, and the records that can't be used."""
    part = PartitionBatch(owner, batches[-1].next_offset)
    slots, slot = part.slots, part.slot
    for batch in batches:
        for record in batch.records:
            try:
                event = decode(record, max_record_bytes)
            except Rejected as error:
                part.rejected.append((record, error))
                continue
            if isinstance(event, UserEvent):
                part.events.append(event)
                part.records.append(record)
                slot.append(slots.setdefault(event.user_id, len(slots)))
            elif isinstance(event, UserDelete):
                slots.setdefault(event.user_id, len(slots))
                part.erased[event.user_id] = len(part.events)
            else:
                part.items.append(event)
    return part


def item_ids(parts: Sequence[PartitionBatch]) -> list[str]:
    """Every item that the events name, once, in order of appearance."""
    return list(dict.fromkeys(e.item_id for part in parts for e in part.events if e.item_id is not None))


def build_batch(topic: str, parts: list[PartitionBatch], items: ItemVocabulary, layout: RowLayout) -> MicroBatch:
    """The step's columns and rows.

    Left out are events that a user.delete of the same step erased, events that the row has applied already, and
    events whose item the full register could not take: those join the rejected ones.
    """
    users: list[bytes] = []
    values: list[bytes | None] = []
    columns: list[NDArray[np.int64]] = []
    events: list[UserEvent] = []
    records: list[ConsumerRecord[bytes, bytes]] = []
    for part in parts:
        keys = [user.encode() for user in part.slots]
        stored = part.owner.store.get_many(keys)
        for user in part.erased:
            stored[part.slots[user]] = None
        column = _columns(part, items)
        column[_USER] += len(users)
        column[_PLACE] += len(events)
        columns.append(column)
        users += keys
        values += stored
        events += part.events
        records += part.records
    rows = layout.unpack(values)
    column = np.concatenate(columns, axis=1)  # [6, n]
    keep = (column[_ITEM] != _LEFT_OUT) & (column[_OFFSET] > rows["last_offset"][column[_USER]])
    column = column[:, keep]  # [6, n]
    column = column[:, np.argsort(column[_USER], kind="stable")]
    touched, slot = np.unique(column[_USER], return_inverse=True)
    place = column[_PLACE].tolist()
    kept = [events[i] for i in place]
    part_of = np.repeat(np.arange(len(parts)), [len(part.slots) for part in parts])
    return MicroBatch(
        topic=topic,
        parts=parts,
        batch=EventBatch(
            slot.astype(np.int64),
            column[_ITEM],
            column[_TYPE],
            column[_TIME],
            value=_values(kept),
            text=[event.text or "" for event in kept] if any(event.text for event in kept) else None,
        ),
        records=[records[i] for i in place],
        events=kept,
        offset=column[_OFFSET],
        users=[users[i] for i in touched.tolist()],
        part=part_of[touched],
        rows=rows[touched],
    )


def _values(events: Sequence[UserEvent]) -> NDArray[np.float32] | None:
    values = [event.value for event in events]
    if all(value is None for value in values):
        return None
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)


_USER, _ITEM, _TYPE, _TIME, _OFFSET, _PLACE = range(6)
_LEFT_OUT = -1


def _columns(part: PartitionBatch, items: ItemVocabulary) -> NDArray[np.int64]:
    """User, item, type, time, offset and place of each event: [6, n]."""
    index = items.index
    item = [0 if event.item_id is None else index(event.item_id) for event in part.events]
    if None in item:
        full = Rejected("item_capacity", f"the register is full: it holds {len(items)} items (items.capacity)")
        part.rejected += [(record, full) for record, i in zip(part.records, item, strict=True) if i is None]
    column = np.array(
        [
            part.slot,
            [_LEFT_OUT if i is None else i for i in item],
            [type_index(event.event_type) for event in part.events],
            [event.time_ms for event in part.events],
            [record.offset for record in part.records],
            range(len(part.events)),
        ],
        dtype=np.int64,
    )  # [6, n]
    for user, events_before in part.erased.items():
        earlier = column[:, :events_before]
        earlier[_ITEM, earlier[_USER] == part.slots[user]] = _LEFT_OUT
    return column


def count_events(work: MicroBatch, memory: NDArray[np.void]) -> NDArray[np.void]:
    """The step's rows with its events counted, the last offset and the chain over the event ids: [U]."""
    last = work.last
    memory["count"] += np.diff(last, prepend=-1).astype(np.uint64)
    memory["last_offset"] = work.offset[last]
    ids = [event.event_id.encode() for event in work.events]
    bounds = [0, *(last + 1).tolist()]
    chains = [
        advance_chain(chain.tobytes(), ids[begin:end])
        for chain, (begin, end) in zip(memory["chain"], pairwise(bounds), strict=True)
    ]
    memory["chain"] = np.frombuffer(b"".join(chains), np.uint8).reshape(-1, 16)
    return memory
