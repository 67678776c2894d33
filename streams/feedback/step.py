"""One step of one partition: what its records become, in memory. Pure computing, fit for a thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from aiokafka import ConsumerRecord

from streams import __version__
from streams.errors import Rejected
from streams.feedback.feedback_store import FeedbackStore
from streams.feedback.join import Join, JoinCounts
from streams.feedback.request_partitioner import RequestPartitioner
from streams.kafka.transaction import ProducerRecord
from streams.kafka.undecodable import UndecodableRecord
from streams.policy.arms import Arms
from streams.policy.decider import UNKNOWN_USER, Decider, Interests
from streams.policy.item_filters import DescribedItem
from streams.schema.dead_letters.dead_letter import dead_letter
from streams.schema.decisions.decision import Decision, decode_decision, decode_request, encode_decision
from streams.schema.decoder import SchemaRules, decode
from streams.schema.events import UserDelete
from streams.schema.predictions import decode as decode_prediction
from streams.schema.record import position
from streams.settings.settings import Settings

log = logging.getLogger(__name__)

_DAY_MS: Final = 86_400_000
_KNOWN_USERS: Final = 10
_encode: Final = msgspec.json.Encoder().encode

Records = Sequence[ConsumerRecord[bytes, bytes]]


@dataclass(slots=True)
class PartitionRecords:
    """What was fetched of one partition of each topic."""

    events: Records = ()
    decisions: Records = ()
    requests: Records = ()
    predictions: Mapping[bytes, bytes | None] = field(default_factory=dict)
    """By user, in JSON"""
    stream_ms: int = 0
    """Up to where all events are read"""


@dataclass(slots=True)
class PartitionStep:
    """What is to be written of it."""

    rewards: list[ProducerRecord] = field(default_factory=list)
    decisions: list[ProducerRecord] = field(default_factory=list)
    letters: list[ProducerRecord] = field(default_factory=list)
    changes: dict[bytes, bytes | None] = field(default_factory=dict)
    predictions: dict[bytes, bytes | None] = field(default_factory=dict)
    """For the store alone"""
    counts: JoinCounts = field(default_factory=JoinCounts)

    @property
    def changelog(self) -> list[ProducerRecord]:
        """The changes as records."""
        return [ProducerRecord(key, value) for key, value in self.changes.items()]


class PartitionStepper:
    """Computes steps; knows the settings, who decides, and what the catalog says of items."""

    def __init__(
        self,
        settings: Settings,
        rules: SchemaRules,
        arms: Arms,
        catalog: Mapping[str, DescribedItem],
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._arms = arms
        self._catalog = catalog
        self._decider = Decider(settings.policy)
        self._partitioner = RequestPartitioner(settings.topics.decision_requests, settings.topics.partitions)

    def step(self, store: FeedbackStore, records: PartitionRecords) -> PartitionStep:
        """Decisions first, then the events that may name them, then deadlines, then requests."""
        step, now_ms = PartitionStep(predictions=dict(records.predictions)), int(time.time() * 1000)
        join = Join(store, self._settings.feedback)
        decisions = filter(None, (_decision(record, now_ms) for record in records.decisions))
        # Processes of another recipe write the rewards of theirs.
        join.add_decisions((made for made in decisions if self._arms.decides(made.experiment, made.arm)), now_ms)
        for record in records.events:
            if not isinstance(record, UndecodableRecord):  # workers have put it into the dead letters, as all others
                events = decode(record, self._settings.kafka.max_record_bytes, self._rules)[0]
                join.add_events(events, now_ms)
                for event in events:
                    if isinstance(event, UserDelete):
                        self._decider.forget(event.user_id)
        join.close_due(records.stream_ms)
        for record in records.requests:
            try:
                decision = self._decide(record, store, step.predictions, now_ms)
            except Rejected as rejected:
                step.letters.append(ProducerRecord(*dead_letter(record, rejected, __version__)))
            else:
                if decision is not None:
                    step.decisions.append(ProducerRecord(record.key, encode_decision(decision)))
        step.rewards = [ProducerRecord(reward.user_id.encode(), _encode(reward)) for reward in join.rewards]
        step.changes, step.counts = join.changes, join.counts
        return step

    def _decide(
        self,
        record: ConsumerRecord[bytes, bytes],
        store: FeedbackStore,
        predictions: Mapping[bytes, bytes | None],
        now_ms: int,
    ) -> Decision | None:
        if isinstance(record, UndecodableRecord):
            raise Rejected(record.code, record.message)
        request = decode_request(record.key, record.value)
        user = request.user_id.encode()
        value = predictions[user] if user in predictions else store.prediction(request.user_id)
        if value is None:
            self._partitioner.look(record.partition, user, store.predicted_users(_KNOWN_USERS))
        if (chosen := self._arms.choose(request)) is None:
            return None
        policy, assignment = chosen
        return self._decider.decide(
            position(record), request, interests_of(value), self._catalog, policy, assignment, now_ms
        )


def interests_of(value: bytes | None) -> Interests:
    """What a record of `interest-predictions` says of its user; of one that cannot be read, as of none, nothing."""
    if value is None:
        return UNKNOWN_USER
    try:
        prediction = decode_prediction(value)
    except msgspec.MsgspecError:
        return UNKNOWN_USER
    return Interests(
        prediction.items,
        prediction.item_p,
        prediction.categories,
        prediction.category_p,
        prediction.model_version,
        prediction.prediction_id,
    )


def _decision(record: ConsumerRecord[bytes, bytes], now_ms: int) -> Decision | None:
    """The decision of a record; None, with a line in the log, where it is none."""
    try:
        if isinstance(record, UndecodableRecord):
            raise Rejected(record.code, record.message)
        decision = decode_decision(record.value or b"")
    except (msgspec.MsgspecError, Rejected) as error:
        log.warning("%s is no decision, and is left out: %s", position(record), error)
        return None
    if decision.user_id.encode() != record.key:
        log.warning("%s is left out: its key is not its user", position(record))
        return None
    # By a clock that is wrong, its own or that of whoever gave the record its time, it would wait for ever.
    written_ms = record.timestamp if 0 < record.timestamp < now_ms + _DAY_MS else now_ms
    if abs(decision.time - written_ms) > _DAY_MS:
        decision.time = written_ms
    return decision
