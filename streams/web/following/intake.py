"""Records of all topics, as changes of the view. What cannot be read is counted and passed over."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from streams.errors import RegistryError, Rejected, StreamError
from streams.kafka.offset_reader import Position, Records
from streams.kafka.undecodable import UndecodableRecord
from streams.registry.prediction_reader import PredictionReader
from streams.schema.churn import RESERVED, decode_warning
from streams.schema.decoder import SchemaRules, decode, decode_item
from streams.schema.events import UserDelete, UserEvent
from streams.schema.parsing.wire_format import Transcoder
from streams.schema.predictions import Prediction
from streams.schema.quality import decode_quality
from streams.schema.record import Record
from streams.settings.settings import Settings
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import EVENTS, RISK, USER
from streams.web.view.rows import UserRow
from streams.web.view.view import View

log = logging.getLogger(__name__)

Update: TypeAlias = tuple[str, UserRow]
"""A user and the row after a prediction"""
_AGAIN_S: Final = 60.0
_LARGEST: Final = 1 << 62


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
        """Applies the records and stores the offsets behind them; the users' rows that have changed, in order.

        Raises RegistryError, before anything has changed, where schemas cannot be had.
        """
        view, topics = self._view, self._topics
        by_topic: dict[str, list[Record]] = {}
        for (topic, _), (records, _) in fetched.items():
            by_topic.setdefault(topic, []).extend(records)
        events, catalog = by_topic.get(topics.user_events, []), by_topic.get(topics.item_catalog, [])
        if self._transcoder is not None:
            await self._transcoder.load([*events, *catalog])
        predictions = await self._read_predictions(by_topic.get(topics.interest_predictions, []))
        batch = view.new_batch()
        self._load_users(by_topic, batch)
        for record in events:
            self._apply_event(record, batch)
        view.traffic.events.add(len(events))
        updates = [update for update in (self._apply(*read, batch) for read in predictions) if update is not None]
        view.traffic.predictions.add(len(updates))
        for record in catalog:
            self._apply_item(record, batch)
        for record in by_topic.get(topics.interest_churn, ()):
            self._apply_warning(record, batch)
        for record in by_topic.get(topics.interest_quality, ()):
            self._apply_quality(record, batch)
        for record in by_topic.get(topics.user_events_dlq, ()):
            if not isinstance(record, UndecodableRecord):
                view.letters.put(record, batch)
        view.positions.put({position: end for position, (_, end) in fetched.items()}, batch)
        view.store(batch)
        return updates

    async def _read_predictions(self, records: Sequence[Record]) -> list[tuple[Record, Prediction | None]]:
        """The records that can be used, with their predictions; None for an erasure."""
        read: list[tuple[Record, Prediction | None]] = []
        for record in records:
            try:
                if isinstance(record, UndecodableRecord):
                    raise StreamError(record.message)
                (record.key or b"").decode()
                prediction = None if record.value is None else await self._predictions.read(record.value)
                if prediction is not None:
                    _check_prediction(prediction)
                read.append((record, prediction))
            except RegistryError:
                raise
            except (StreamError, UnicodeDecodeError) as error:
                self._pass_over(record, error)
        return read

    def _load_users(self, by_topic: Mapping[str, Sequence[Record]], batch: ViewBatch) -> None:
        events, predictions = self._topics.user_events, self._topics.interest_predictions
        users = {record.key for topic in (events, predictions) for record in by_topic.get(topic, ())} - {None}
        batch.load(kind + key for key in users for kind in (USER, EVENTS, RISK) if key is not None)

    def _apply_event(self, record: Record, batch: ViewBatch) -> None:
        view = self._view
        view.traffic.event(record.partition, record.offset, record.timestamp)
        if isinstance(record, UndecodableRecord):
            return  # a dead letter, as is whatever else cannot be used
        for event in decode(record, self._max_bytes, self._rules)[0]:
            if isinstance(event, UserEvent):
                view.events.put(event, record, batch)
            elif isinstance(event, UserDelete):
                view.events.erase(event.user_id, batch)

    def _apply(self, record: Record, prediction: Prediction | None, batch: ViewBatch) -> Update | None:
        view = self._view
        if prediction is None:
            view.users.erase((record.key or b"").decode(), batch)
            return None
        row = view.users.put(prediction, f"{record.partition}:{record.offset}", batch)
        view.events.score(prediction.user_id, row, batch)
        view.traffic.prediction(row.source_partition, row.source_offset, record.timestamp)
        return prediction.user_id, row

    def _apply_warning(self, record: Record, batch: ViewBatch) -> None:
        key = record.key or b""
        if key.startswith(RESERVED):
            return
        try:
            if isinstance(record, UndecodableRecord):
                raise StreamError(record.message)
            user_id = key.decode()
            self._view.segments.warn(user_id, None if record.value is None else decode_warning(record.value), batch)
        except (StreamError, UnicodeDecodeError) as error:
            self._pass_over(record, error)

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
                quality = decode_quality(record.value)
                _check_numbers(quality.emitted_at, quality.scored, quality.window, quality.possible)
                self._view.quality.put(quality, record.value, batch)
        except StreamError as error:
            self._pass_over(record, error)

    def _pass_over(self, record: Record, error: Exception) -> None:
        self.unreadable[record.topic] += 1
        if time.monotonic() - self._logged_s > _AGAIN_S:
            self._logged_s = time.monotonic()
            log.warning("%s %d:%d is passed over: %s", record.topic, record.partition, record.offset, error)


def _check_prediction(prediction: Prediction) -> None:
    """Raises StreamError for what decodes as a prediction, and is none that a worker writes."""
    for names, p in (
        (prediction.items, prediction.item_p),
        (prediction.categories, prediction.category_p),
        (prediction.because, prediction.because_weight),
        *((horizon.categories, horizon.category_p) for horizon in prediction.horizons or ()),
        *((horizon.items, horizon.item_p) for horizon in prediction.horizons or ()),
    ):
        if len(names) != len(p):
            raise StreamError(f"a prediction has {len(names)} names and {len(p)} numbers")
    source = prediction.source
    _check_numbers(
        prediction.event_time, prediction.emitted_at, prediction.state_version, source.partition, source.offset
    )


def _check_numbers(*numbers: int) -> None:
    if not all(-_LARGEST < number < _LARGEST for number in numbers):
        raise StreamError("a number is larger than 63 bits hold")
