import hashlib

import pytest

from streams.kafka.transaction import ProducerRecord
from streams.releases.chunks import ChunkError, PartChunks, chunk_bytes, parse_key, removal, split_part


def joined(records: list[ProducerRecord]) -> bytes | None:
    chunks, part = PartChunks(records[0].headers), None
    for record in records:
        assert part is None
        part = chunks.add(parse_key(record.key)[1], record.headers, record.value or b"")
    return part


def test_a_part_is_cut_into_numbered_chunks_that_name_its_hash() -> None:
    entry, records = split_part("items/17", b"abcdefgh", 3)
    assert [(record.key, record.value) for record in records] == [
        (b"items/17#0", b"abc"),
        (b"items/17#1", b"def"),
        (b"items/17#2", b"gh"),
    ]
    assert entry == (hashlib.sha256(b"abcdefgh").digest(), 3)
    assert {tuple(record.headers) for record in records} == {(("sha256", entry.sha256), ("chunks", b"3"))}
    assert joined(records) == b"abcdefgh"


def test_an_empty_part_is_one_empty_chunk() -> None:
    entry, records = split_part("gate", b"", 3)
    assert (entry.chunks, joined(records)) == (1, b"")


def test_a_chunk_and_its_frame_fit_the_largest_record() -> None:
    assert chunk_bytes(1024) == 512
    assert chunk_bytes(1 << 30) < 1 << 20


@pytest.mark.parametrize("key", ["", "x" * 129, "é" * 65])
def test_keys_that_no_part_may_have(key: str) -> None:
    with pytest.raises(ValueError, match="1 to 128 bytes"):
        split_part(key, b"", 3)


def test_removed_chunks_are_tombstones() -> None:
    assert removal("gate", 1, 3) == [ProducerRecord(b"gate#1", None), ProducerRecord(b"gate#2", None)]


@pytest.mark.parametrize(
    "key", [None, b"", b"gate", b"#0", b"gate#", b"gate#-1", b"gate#1x", b"\xff#0", b"g#" + b"9" * 10]
)
def test_keys_of_no_chunk(key: bytes | None) -> None:
    with pytest.raises(ChunkError):
        parse_key(key)


def test_a_part_may_have_the_separator_in_its_key() -> None:
    assert parse_key(b"a#1#23") == ("a#1", 23)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("sha256", b"short"), ("chunks", b"1")],
        [("sha256", bytes(32))],
        [("sha256", bytes(32)), ("chunks", b"0")],
        [("sha256", bytes(32)), ("chunks", b"-1")],
        [("sha256", bytes(32)), ("chunks", b"9" * 5000)],
        [("sha256", None), ("chunks", b"1")],
    ],
)
def test_headers_of_no_chunk(headers: list[tuple[str, bytes | None]]) -> None:
    with pytest.raises(ChunkError, match="without the headers"):
        PartChunks(headers)


def test_chunks_that_do_not_belong_together_are_refused() -> None:
    _, first = split_part("gate", b"abcdef", 3)
    _, other = split_part("gate", b"abcxyz", 3)
    with pytest.raises(ChunkError, match="chunk 1 came where chunk 0 belongs"):
        joined(first[1:])
    with pytest.raises(ChunkError, match="of another part"):
        joined([first[0], other[1]])
    with pytest.raises(ChunkError, match="SHA-256"):
        joined([first[0], first[1]._replace(value=b"deg")])
