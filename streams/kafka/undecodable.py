"""A consumer that delivers what aiokafka cannot decode as a record of its own, and what surrounds it as usual.

aiokafka raises at the first record or batch that it cannot decode, delivers nothing of that fetch, and meets the same
bytes again at the next: a header name in Latin-1 or one damaged batch would end every process that reads the topic.
Knows the bytes of record batches (magic 2); knows nothing of what the records mean.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord
from aiokafka.consumer.fetcher import Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import UnsupportedCodecError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record import util
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.errors import RejectionCode

_LENGTH: Final = struct.Struct(">qi")  # base offset, bytes that follow: the same in every version of the format
_MAGIC_INDEX: Final = 16
_OLDEST_MAGIC: Final = 2
_decode_varint: Any = util.decode_varint  # takes any bytes, whatever its annotation says
_LAST_CODEC: Final = _DefaultRecordBatchPy.CODEC_ZSTD


@dataclass
class UndecodableRecord(ConsumerRecord[bytes, bytes]):
    """A record, or a batch of them, that cannot be decoded; the value holds its bytes as they lie in the log.

    `offset` is that of its last record, so that the offsets of a batch are passed with it.
    """

    code: RejectionCode
    message: str


def isolating_consumer(**options: Any) -> AIOKafkaConsumer:
    """A consumer whose fetches raise no error of decoding. Assign or subscribe to topics after its start."""
    return _IsolatingConsumer(**options)


class _IsolatingConsumer(AIOKafkaConsumer):
    async def start(self) -> None:
        """Connects."""
        await super().start()
        fetcher: Any = self._fetcher
        fetcher.__class__ = _IsolatingFetcher
        fetcher._client = _FetchedBytes(fetcher._client)


class _FetchedBytes:
    """aiokafka's client, which also keeps the bytes of the last fetch of each partition."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.fetched: dict[TopicPartition, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def send(self, node_id: int, request: Any, **options: Any) -> Any:
        response = await self._client.send(node_id, request, **options)
        if isinstance(request, FetchRequest):
            for topic, partitions in response.topics:
                for partition, *_, data in partitions:
                    self.fetched[TopicPartition(topic, partition)] = data
        return response


class _IsolatingFetcher(Fetcher):
    """aiokafka's fetcher, whose records come from _IsolatingRecords."""

    _client: _FetchedBytes

    async def _proc_fetch_request(self, assignment: Any, node_id: int, request: Any) -> Any:
        has_records = await super()._proc_fetch_request(assignment, node_id, request)
        # Nobody has begun to read them: nothing was awaited since they were stored.
        for topic, partitions in request.topics:
            for partition, *_ in partitions:
                tp = TopicPartition(topic, partition)
                data = self._client.fetched.pop(tp, None)
                result = self._records.get(tp)
                if data and isinstance(result, FetchResult) and type(result._partition_records) is PartitionRecords:
                    highwater = assignment.state_value(tp).highwater
                    result._partition_records = _IsolatingRecords(result._partition_records, data, highwater)
        return has_records


class _IsolatingRecords(PartitionRecords):
    """The records of one fetch of a partition, batch by batch; what cannot be decoded becomes UndecodableRecord."""

    def __init__(self, records: PartitionRecords, data: bytes, highwater: int) -> None:
        super().__init__(
            records._tp,
            records._records,
            records._aborted_transactions,
            records.next_fetch_offset,
            records._key_deserializer,
            records._value_deserializer,
            records._check_crcs,
            records._isolation_level,
        )
        self._batches = list(_split(data))
        self._highwater = highwater

    def _unpack_records(self) -> Iterator[ConsumerRecord[bytes, bytes]]:
        for index, batch in enumerate(self._batches):
            self._records = MemoryRecords(batch)
            try:
                yield from super()._unpack_records()
            except Exception as error:
                if isinstance(error, UnsupportedCodecError) and _codec(batch) <= _LAST_CODEC:
                    raise  # this installation lacks a library
                following = self._batches[index + 1 : index + 2]
                end = _LENGTH.unpack_from(following[0])[0] if following else None
                for record in self._decode(batch, error, end):
                    if record.offset >= self.next_fetch_offset:
                        self.next_fetch_offset = record.offset + 1
                        yield record
                self.next_fetch_offset = max(self.next_fetch_offset, end or 0)

    def _decode(self, data: bytes, error: Exception, end: int | None) -> Iterator[ConsumerRecord[Any, bytes]]:
        """The records of a batch that aiokafka failed at; `end` is the offset after it, where the fetch shows it."""
        code: RejectionCode = "corrupt_batch"
        if isinstance(error, UnsupportedCodecError):
            code = "unknown_codec"
        elif data[_MAGIC_INDEX] >= _OLDEST_MAGIC:
            batch = _DefaultRecordBatchPy(data)
            if batch.validate_crc():
                try:
                    batch._maybe_uncompress()
                except Exception as decompression_error:  # each codec's library has its own
                    error = decompression_error
                else:
                    yield from self._records_of(batch)
                    return
        first, last = self._offsets(data, end)
        message = f"the batch of offsets {first} to {last} cannot be decoded: {error}"
        yield self._undecodable(last, data, code, message)

    def _records_of(self, batch: _DefaultRecordBatchPy) -> Iterator[ConsumerRecord[Any, bytes]]:
        """The records of a batch whose frame is intact."""
        data, position = bytes(batch._buffer), batch._pos
        offset = batch.base_offset
        last = batch.next_offset - 1
        for _ in range(batch._num_records):
            begin = position
            try:
                length, begin = _decode_varint(data, position)
                position = begin + length
                if length <= 0 or position > len(data):
                    raise ValueError(f"a record of {length} bytes")
            except (ValueError, IndexError) as error:
                message = f"the records of offsets {offset} to {last} cannot be decoded: {error}"
                yield self._undecodable(last, data[begin:], "undecodable_record", message)
                return
            payload = data[begin:position]
            try:
                record = self._record(batch, payload)
            except (ValueError, IndexError) as error:
                message = f"the record of offset {offset} cannot be decoded: {error}"
                yield self._undecodable(min(offset, last), payload, "undecodable_record", message)
                offset += 1
            else:
                yield record
                offset = record.offset + 1

    def _record(self, batch: _DefaultRecordBatchPy, payload: bytes) -> ConsumerRecord[Any, bytes]:
        """A record from its bytes; in a header's name, bytes that are not UTF-8 are escaped in hexadecimal."""
        delta_ms, position = _decode_varint(payload, 1)  # after the attributes, of which none is in use
        offset_delta, position = _decode_varint(payload, position)
        key, position = _nullable_bytes(payload, position)
        value, position = _nullable_bytes(payload, position)
        count, position = _decode_varint(payload, position)
        headers = []
        for _ in range(count):
            name, position = _nullable_bytes(payload, position)
            text, position = _nullable_bytes(payload, position)
            headers.append(((name or b"").decode(errors="backslashreplace"), text))
        if position != len(payload):
            raise ValueError(f"{len(payload)} bytes, of which {position} are fields")
        is_append_time = batch.timestamp_type == batch.LOG_APPEND_TIME
        timestamp = batch.max_timestamp if is_append_time else batch.first_timestamp + delta_ms
        return self._consumer_record_of(
            batch.base_offset + offset_delta, timestamp, batch.timestamp_type, key, value, tuple(headers)
        )

    def _consumer_record_of(
        self, offset: int, timestamp: int, timestamp_type: int, key: Any, value: Any, headers: Any
    ) -> ConsumerRecord[Any, bytes]:
        key_size, value_size = (-1 if part is None else len(part) for part in (key, value))
        return ConsumerRecord(
            self._tp.topic,
            self._tp.partition,
            offset,
            timestamp,
            timestamp_type,
            key,
            value,
            None,
            key_size,
            value_size,
            headers,
        )

    def _undecodable(self, offset: int, data: bytes, code: RejectionCode, message: str) -> UndecodableRecord:
        topic, partition = self._tp
        return UndecodableRecord(topic, partition, offset, -1, 0, None, data, None, -1, len(data), (), code, message)

    def _offsets(self, data: bytes, end: int | None) -> tuple[int, int]:
        """First and last offset of a batch whose header is not to be trusted, from the next offset on."""
        base = int(_LENGTH.unpack_from(data)[0])
        first = max(base, self.next_fetch_offset)
        if end is not None:
            return first, max(first, end - 1)
        last = base
        if data[_MAGIC_INDEX] >= _OLDEST_MAGIC:
            batch = _DefaultRecordBatchPy(data)
            # The smaller of both counts: what is left of the batch is met again, what is passed is lost.
            last = base + min(batch.last_offset_delta, batch._num_records - 1)
        return first, max(first, min(last, self._highwater - 1))


def _split(data: bytes) -> Iterator[bytes]:
    """The complete batches of a fetch."""
    position = 0
    while position + _LENGTH.size <= len(data):
        _, length = _LENGTH.unpack_from(data, position)
        end = position + _LENGTH.size + length
        if length <= 0 or end > len(data):
            return
        yield bytes(data[position:end])
        position = end


def _codec(batch: bytes) -> int:
    if batch[_MAGIC_INDEX] < _OLDEST_MAGIC:
        return 0
    return _DefaultRecordBatchPy(batch).compression_type


def _nullable_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    length, position = _decode_varint(data, position)
    if length < 0:
        return None, position
    if position + length > len(data):
        raise ValueError(f"a field of {length} bytes")
    return data[position : position + length], position + length
