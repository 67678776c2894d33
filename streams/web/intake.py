"""Records of all topics, as changes of the view. What cannot be read is counted and passed over."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from streams.errors import Rejected, StreamError
from streams.kafka.offset_reader import Position, Records
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.prediction_reader import PredictionReader
from streams.schema.decoder import SchemaRules, decode, decode_item
from streams.schema.events import UserDelete, UserEvent
from streams.schema.parsing.wire_format import Transcoder
from streams.schema.quality import decode_quality
from streams.schema.record import Record
from streams.settings.settings import Settings
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import EVENTS, USER
from streams.web.view.rows import UserRow
from streams.web.view.view import View

log = logging.getLogger(__name__)

Update: TypeAlias = tuple[str, UserRow]
"""A user and the row after a prediction"""
_AGAIN_S: Final = 60.0


class Intake:
    """Applies what was fetched to the view, all of it at once."""

    def __init__(self, settings: Settings, view: View, transcoder: Transcoder | None) -> None:
        self._view = view
        self._topics = settings.topics
        self._predictions = PredictionReader(settings.registry)
        self._transcoder = transcoder
        self._rules = SchemaRules.of(settings.events, transcoder)
        self._max_bytes = settings.kafka.max_record_bytes
        self.unreadable: Counter[str] = Counter()
        """Records that were passed over, by topic"""
        self._logged_s = float("-inf")

    async def apply(self, fetched: Mapping[Position, tuple[Records, int]]) -> list[Update]:
        """Applies the records and stores the offsets behind them; the users' rows that have changed, in order."""
        view, topics = self._view, self._topics
        batch = view.new_batch()
        by_topic: dict[str, list[Record]] = {}
        for (topic, _), (records, _) in fetched.items():
            by_topic.setdefault(topic, []).extend(records)
        self._load_users(by_topic, batch)
        await self._apply_events(by_topic.get(topics.user_events, ()), batch)
        predicted = [
            await self._apply_prediction(record, batch) for record in by_topic.get(topics.interest_predictions, ())
        ]
        catalog = by_topic.get(topics.item_catalog, ())
        if self._transcoder is not None:
            await self._transcoder.load(catalog)
        for record in catalog:
            self._apply_item(record, batch)
        for record in by_topic.get(topics.interest_quality, ()):
            self._apply_quality(record, batch)
        for record in by_topic.get(topics.user_events_dlq, ()):
            if not isinstance(record, UndecodableRecord):
                view.letters.put(record, batch)
        view.positions.put({position: end for position, (_, end) in fetched.items()}, batch)
        view.store(batch)
        return [update for update in predicted if update is not None]

    def _load_users(self, by_topic: Mapping[str, Sequence[Record]], batch: ViewBatch) -> None:
        events, predictions = self._topics.user_events, self._topics.interest_predictions
        users = {record.key for topic in (events, predictions) for record in by_topic.get(topic, ())} - {None}
        batch.load(kind + key for key in users for kind in (USER, EVENTS) if key is not None)

    async def _apply_events(self, records: Sequence[Record], batch: ViewBatch) -> None:
        view = self._view
        if self._transcoder is not None:
            await self._transcoder.load(records)
        for record in records:
            view.traffic.event(record.partition, record.offset, record.timestamp)
            if isinstance(record, UndecodableRecord):
                continue  # a dead letter, as is whatever else cannot be used
            for event in decode(record, self._max_bytes, self._rules)[0]:
                if isinstance(event, UserEvent):
                    view.events.put(event, record, batch)
                elif isinstance(event, UserDelete):
                    view.events.erase(event.user_id, batch)
        view.traffic.events.add(len(records))

    async def _apply_prediction(self, record: Record, batch: ViewBatch) -> Update | None:
        view = self._view
        try:
            if isinstance(record, UndecodableRecord):
                raise StreamError(record.message)
            if record.value is None:
                view.users.erase((record.key or b"").decode(), batch)
                return None
            prediction = await self._predictions.read(record.value)
            _check_lengths(prediction.items, prediction.item_p)
            _check_lengths(prediction.categories, prediction.category_p)
            _check_lengths(prediction.because, prediction.because_weight)
        except (StreamError, UnicodeDecodeError) as error:
            self._pass_over(record, error)
            return None
        row = view.users.put(prediction, f"{record.partition}:{record.offset}", batch)
        view.events.score(prediction.user_id, row, batch)
        view.traffic.prediction(row.source_partition, row.source_offset, record.timestamp)
        view.traffic.predictions.add(1)
        return prediction.user_id, row

    def _apply_item(self, record: Record, batch: ViewBatch) -> None:
        try:
            if isinstance(record, UndecodableRecord):
                raise Rejected(record.code, record.message)
            self._view.catalog.put(decode_item(record, transcoder=self._transcoder), batch)
        except Rejected as error:
            self._pass_over(record, error)

    def _apply_quality(self, record: Record, batch: ViewBatch) -> None:
        try:
            if isinstance(record, UndecodableRecord):
                raise StreamError(record.message)
            if record.value is None:
                self._view.quality.forget((record.key or b"").decode(errors="replace"), batch)
            else:
                self._view.quality.put(decode_quality(record.value), record.value, batch)
        except StreamError as error:
            self._pass_over(record, error)

    def _pass_over(self, record: Record, error: Exception) -> None:
        self.unreadable[record.topic] += 1
        if time.monotonic() - self._logged_s > _AGAIN_S:
            self._logged_s = time.monotonic()
            log.warning("%s %d:%d is passed over: %s", record.topic, record.partition, record.offset, error)


def _check_lengths(names: list[str], p: list[float]) -> None:
    if len(names) != len(p):
        raise StreamError(f"a prediction has {len(names)} names and {len(p)} numbers")
