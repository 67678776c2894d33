import struct
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from streams.kafka.undecodable import UndecodableRecord, _IsolatingRecords

TP = TopicPartition("events", 3)
ATTRIBUTES, CRC = 21, 17
Builder: Any = DefaultRecordBatchBuilder


def batch(base: int, values: Sequence[bytes], codec: int = 0, headers: Sequence[tuple[str, bytes]] = ()) -> bytearray:
    builder = Builder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for index, value in enumerate(values):
        builder.append(index, timestamp=1000 + index, key=b"k", value=value, headers=list(headers))
    data = bytearray(builder.build())
    struct.pack_into(">q", data, 0, base)
    return data


def seal(data: bytearray) -> bytearray:
    """The batch with the checksum of what it holds now."""
    struct.pack_into(">I", data, CRC, calc_crc32c(bytes(data[ATTRIBUTES:])))
    return data


def read(*batches: bytes | bytearray, offset: int = 0, highwater: int = 1000) -> tuple[list[Any], int]:
    """The records of a fetch that began at the offset, and the offset of the next fetch."""
    data = b"".join(batches)
    plain = PartitionRecords(TP, MemoryRecords(data), [], offset, None, None, True, READ_COMMITTED)
    records = _IsolatingRecords(plain, data, highwater)
    return list(records), records.next_fetch_offset


def values(records: Sequence[Any]) -> list[tuple[int, bytes]]:
    return [(record.offset, record.value) for record in records if not isinstance(record, UndecodableRecord)]


def undecodable(records: Sequence[Any]) -> list[UndecodableRecord]:
    return [record for record in records if isinstance(record, UndecodableRecord)]


BEFORE, AFTER = batch(0, [b"a", b"b"]), batch(5, [b"f", b"g"])
NEIGHBOURS = [(0, b"a"), (1, b"b"), (5, b"f"), (6, b"g")]


@pytest.mark.parametrize("codec", range(5))
def test_a_header_name_that_is_not_utf8_is_escaped_and_its_record_applied(codec: int) -> None:
    damaged = batch(2, [b"c", b"d", b"e"], headers=[("name", b"x")])
    if codec:
        # Compressed with the broken name inside: the checksum is that of the compressed bytes.
        plain = bytes(damaged[61:]).replace(b"name", b"n\xe6me")
        from aiokafka import codec as codecs

        encode = [None, codecs.gzip_encode, codecs.snappy_encode, codecs.lz4_encode, codecs.zstd_encode][codec]
        assert encode is not None
        damaged = damaged[:61] + bytearray(encode(plain))
        struct.pack_into(">h", damaged, ATTRIBUTES, codec)
        struct.pack_into(">i", damaged, 8, len(damaged) - 12)
    else:
        damaged = bytearray(bytes(damaged).replace(b"name", b"n\xe6me"))
    records, end = read(BEFORE, seal(damaged), AFTER)
    assert values(records) == [*NEIGHBOURS[:2], (2, b"c"), (3, b"d"), (4, b"e"), *NEIGHBOURS[2:]]
    assert records[2].headers == (("n\\xe6me", b"x"),)
    assert (records[2].key, records[2].timestamp, records[3].timestamp) == (b"k", 1000, 1001)
    assert end == 7


def test_a_batch_with_a_wrong_checksum_is_one_record_with_its_bytes() -> None:
    damaged = batch(2, [b"c", b"d", b"e"])
    damaged[-3] ^= 1
    records, end = read(BEFORE, damaged, AFTER)
    assert values(records) == NEIGHBOURS
    (letter,) = undecodable(records)
    assert (letter.code, letter.offset, letter.value, letter.key) == ("corrupt_batch", 4, bytes(damaged), None)
    assert "offsets 2 to 4" in letter.message
    assert "CRC" in letter.message
    assert end == 7


def test_an_unknown_codec_is_named() -> None:
    damaged = batch(2, [b"c", b"d", b"e"])
    struct.pack_into(">h", damaged, ATTRIBUTES, 6)
    records, _ = read(BEFORE, seal(damaged), AFTER)
    assert values(records) == NEIGHBOURS
    (letter,) = undecodable(records)
    assert (letter.code, letter.offset) == ("unknown_codec", 4)


@pytest.mark.parametrize("codec", range(1, 5))
def test_bytes_that_do_not_decompress(codec: int) -> None:
    damaged = batch(2, [b"c", b"d", b"e"])
    struct.pack_into(">h", damaged, ATTRIBUTES, codec)
    records, _ = read(BEFORE, seal(damaged), AFTER)
    assert values(records) == NEIGHBOURS
    assert [letter.code for letter in undecodable(records)] == ["corrupt_batch"]


def test_a_record_with_wrong_lengths_leaves_its_neighbours() -> None:
    damaged = batch(2, [b"c", b"dddd", b"e"])
    position = bytes(damaged).index(b"\x08dddd")
    damaged[position] = 0x7E  # a value of 63 bytes
    records, end = read(BEFORE, seal(damaged), AFTER)
    assert values(records) == [*NEIGHBOURS[:2], (2, b"c"), (4, b"e"), *NEIGHBOURS[2:]]
    (letter,) = undecodable(records)
    assert (letter.code, letter.offset) == ("undecodable_record", 3)
    assert b"dddd" in (letter.value or b"")
    assert end == 7


def test_a_record_longer_than_its_batch_takes_the_rest_with_it() -> None:
    damaged = batch(2, [b"c", b"dddd", b"e"])
    position = bytes(damaged).index(b"\x08dddd") - 6  # length, attributes, two deltas, key
    damaged[position] = 0x7E
    records, end = read(BEFORE, seal(damaged), AFTER)
    assert values(records) == [*NEIGHBOURS[:2], (2, b"c"), *NEIGHBOURS[2:]]
    (letter,) = undecodable(records)
    assert (letter.code, letter.offset) == ("undecodable_record", 4)
    assert end == 7


@given(st.integers(12, len(batch(2, [b"c", b"d", b"e"])) - 1), st.integers(1, 255), st.booleans())
def test_one_changed_byte_never_costs_a_neighbour(position: int, flipped: int, is_last: bool) -> None:
    damaged = batch(2, [b"c", b"d", b"e"])
    damaged[position] ^= flipped
    records, end = read(BEFORE, damaged, *([] if is_last else [AFTER]))
    assert set(NEIGHBOURS[: 2 if is_last else 4]) <= set(values(records))
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert 2 < end <= (5 if is_last else 7)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1))
def test_no_header_of_the_last_batch_passes_records_that_come_after_it(delta: int, count: int) -> None:
    damaged = batch(2, [b"c", b"d", b"e"])
    struct.pack_into(">i", damaged, 23, delta)
    struct.pack_into(">i", damaged, 57, count)
    end = read(BEFORE, damaged, highwater=5)[1]
    assert 2 < end <= 5


def test_a_damaged_batch_that_begins_before_the_fetch() -> None:
    damaged = batch(2, [b"c", b"d", b"e"])
    damaged[-3] ^= 1
    records, end = read(damaged, AFTER, offset=4)
    assert [letter.offset for letter in undecodable(records)] == [4]
    assert values(records) == NEIGHBOURS[2:]
    assert end == 7


def test_intact_batches_are_read_as_ever() -> None:
    records, end = read(BEFORE, batch(2, [b"c"], codec=4), AFTER[:-1])
    assert values(records) == [*NEIGHBOURS[:2], (2, b"c")]
    assert (undecodable(records), end) == ([], 3)
