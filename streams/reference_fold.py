"""The reference fold: the exact part of every user's row, computed from the input and compared with the changelog.

The oracle of the demo and the integration tests. It shares only the event decoder and the hash chain with the worker.
"""

from collections import Counter
from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass, field

from models.data.event_types import IMPRESSION
from state.event_hash import CHAIN_BYTES, advance_chain
from state.row_format import header
from state.rows import RowLayout
from streams.kafka.reader import read_topic
from streams.kafka.undecodable import UndecodableRecord
from streams.schema.decoder import BUILT_IN_RULES, MAX_RECORD_BYTES, SchemaRules, decode
from streams.schema.events import UserDelete, UserEvent
from streams.schema.record import Record
from streams.settings.sections import KafkaSettings


@dataclass(frozen=True, slots=True)
class UserFold:
    """The exact fields of a user's row; the defaults are those of a user without events."""

    count: int = 0
    last_offset: int = -1
    chain: bytes = bytes(CHAIN_BYTES)


@dataclass(frozen=True, slots=True)
class InputFold:
    """The fold of the input: rows by user id, and the numbers of its accepted and rejected records."""

    users: dict[str, UserFold]
    events: int  # accepted user events, those of users deleted later included
    rejected: int  # records of which some event, or all, cannot be used


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences between the rows and the fold of the input; users in order."""

    lost: int = 0  # events missing from the counts
    doubled: int = 0  # events too many in the counts
    wrong_offset: list[str] = field(default_factory=list)
    wrong_chain: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """Whether every row equals the fold."""
        return not (self.lost or self.doubled or self.wrong_offset or self.wrong_chain)

    def __str__(self) -> str:
        if self.exact:
            return "exact in count, last offset and chain"
        parts = [f"{self.lost} events lost, {self.doubled} counted twice"]
        for what, users in (("last offset", self.wrong_offset), ("chain", self.wrong_chain)):
            if users:
                parts.append(f"wrong {what} of {len(users)} users ({', '.join(users[:3])}{', …' * (len(users) > 3)})")
        return "; ".join(parts)


def fold_records(
    records: Iterable[Record], max_bytes: int = MAX_RECORD_BYTES, rules: SchemaRules = BUILT_IN_RULES
) -> InputFold:
    """The rows that these records of `user-events` must lead to, each partition's in order of offset."""
    users: dict[tuple[str, int], UserFold] = {}
    events = rejected = 0
    for record in records:
        if isinstance(record, UndecodableRecord):
            rejected += 1
            continue
        decoded, reason = decode(record, max_bytes, rules)
        rejected += reason is not None
        for event in decoded:
            if isinstance(event, UserDelete):
                users.pop((event.user_id, record.partition), None)
            elif isinstance(event, UserEvent) and event.event_type != IMPRESSION:
                events += 1
                before = users.get((event.user_id, record.partition), UserFold())
                chain = advance_chain(before.chain, [event.event_id.encode()])
                users[event.user_id, record.partition] = UserFold(before.count + 1, record.offset, chain)
    return InputFold(_by_name(users), events, rejected)


def _by_name(users: Mapping[tuple[str, int], UserFold]) -> dict[str, UserFold]:
    """By user id; a user of two partitions has a row in each, and is named with the partition."""
    rows = Counter(user for user, _ in users)
    return {
        user if rows[user] == 1 else f"{user} in partition {partition}": fold
        for (user, partition), fold in users.items()
    }


async def fold_input(
    kafka: KafkaSettings, topic: str, max_bytes: int = MAX_RECORD_BYTES, rules: SchemaRules = BUILT_IN_RULES
) -> InputFold:
    """`fold_records` of the whole topic."""
    records = [record async for record in read_topic(kafka, topic, undecodable=True)]
    if rules.transcoder is not None:
        await rules.transcoder.load(records)
    return fold_records(records, max_bytes, rules)


async def fold_changelog(kafka: KafkaSettings, topic: str) -> dict[str, UserFold]:
    """The changelog's rows, once the transactions that are open now have ended."""
    return await fold_rows(read_topic(kafka, topic, settled=True))


async def fold_rows(records: AsyncIterable[Record]) -> dict[str, UserFold]:
    """The newest row of every user; a tombstone deletes it, keys that begin with U+0000 are not users."""
    newest: dict[tuple[str, int], bytes] = {}
    async for record in records:
        if record.key is None or record.key.startswith(b"\0"):
            continue
        user = record.key.decode(), record.partition
        if record.value is None:
            newest.pop(user, None)
        else:
            newest[user] = record.value
    # Every row begins with the header, whatever fields the model declares.
    rows = RowLayout(()).unpack([header(value) for value in newest.values()])
    folds = (UserFold(int(row["count"]), int(row["last_offset"]), row["chain"].tobytes()) for row in rows)
    return _by_name(dict(zip(newest, folds, strict=True)))


def compare(expected: Mapping[str, UserFold], actual: Mapping[str, UserFold]) -> Comparison:
    """How `actual` differs from `expected`; a user on one side only counts as one without events on the other."""
    lost = doubled = 0
    wrong_offset, wrong_chain = [], []
    for user in sorted(expected.keys() | actual.keys()):
        reference, row = expected.get(user, UserFold()), actual.get(user, UserFold())
        lost += max(0, reference.count - row.count)
        doubled += max(0, row.count - reference.count)
        if reference.last_offset != row.last_offset:
            wrong_offset.append(user)
        if reference.chain != row.chain:
            wrong_chain.append(user)
    return Comparison(lost, doubled, wrong_offset, wrong_chain)
