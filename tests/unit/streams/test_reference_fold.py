from collections.abc import AsyncIterator

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from state.errors import RowFormatError
from state.event_hash import advance_chain
from state.rows import RowLayout
from streams.reference_fold import Comparison, UserFold, compare, fold_records, fold_rows
from tests.oracle import iterate
from tests.records import click, consumer_record, record

NEW = bytes(16)
LAYOUT = RowLayout([("h", "<f2", (3,))])


def row(count: int, last_offset: int, chain: bytes = NEW) -> bytes:
    rows = LAYOUT.new(1)
    rows["count"], rows["last_offset"], rows["chain"] = count, last_offset, np.frombuffer(chain, np.uint8)
    return LAYOUT.pack(rows)[0]


def changelog(*pairs: tuple[bytes | None, bytes | None]) -> AsyncIterator["ConsumerRecord[bytes, bytes]"]:
    return iterate(
        [consumer_record(value, key, topic="c", partition=0, offset=n) for n, (key, value) in enumerate(pairs)]
    )


def delete(offset: int, user: str) -> "ConsumerRecord[bytes, bytes]":
    return record(offset, {"user_id": user, "event_type": "user.delete"})


def test_a_user_is_count_last_offset_and_chain_of_their_events() -> None:
    fold = fold_records([click(0, "a"), click(1, "b"), click(5, "a")])
    assert fold.users == {
        "a": UserFold(2, 5, advance_chain(NEW, [b"e0", b"e5"])),
        "b": UserFold(1, 1, advance_chain(NEW, [b"e1"])),
    }
    assert (fold.events, fold.rejected) == (3, 0)


def test_rejected_records_and_item_records_are_not_events() -> None:
    upsert = record(2, {"event_type": "item.upsert", "item_id": "i"}, key=b"i")
    fold = fold_records([click(0, "a"), record(1, b"{", key=b"a"), upsert, record(3, None, key=b"a")])
    assert fold.users.keys() == {"a"}
    assert (fold.users["a"].count, fold.events, fold.rejected) == (1, 1, 2)


def test_a_deleted_user_begins_anew() -> None:
    fold = fold_records([click(0, "a"), click(1, "b"), delete(2, "a"), delete(3, "b"), click(4, "a")])
    assert fold.users == {"a": UserFold(1, 4, advance_chain(NEW, [b"e4"]))}
    assert fold.events == 3


def test_what_users_were_shown_is_in_no_row() -> None:
    shown = {"user_id": "a", "event_type": "impression", "item_id": "i", "timestamp": 1_731_900_000_000}
    assert fold_records([record(0, shown)]).users == {}


def test_an_event_without_an_id_gets_one_from_its_offset() -> None:
    fields = {"user_id": "a", "event_type": "click", "item_id": "i", "timestamp": 1_731_900_000_000}
    fold = fold_records([record(7, fields, partition=3)])
    assert fold.users["a"].chain == advance_chain(NEW, [b"user-events:3:7"])


def test_a_record_over_the_limit_counts_as_rejected() -> None:
    assert fold_records([click(0, "a")], max_bytes=10).rejected == 1


async def test_only_the_newest_row_of_each_user_counts_and_a_tombstone_deletes_it() -> None:
    rows = await fold_rows(
        changelog((b"a", row(1, 0)), (b"b", row(1, 1)), (b"\0source-offset", b"?"), (b"a", row(2, 7)), (b"b", None))
    )
    assert rows == {"a": UserFold(2, 7)}


async def test_rows_of_format_1_are_read_too() -> None:
    old = b"\1\0" + row(3, 8, b"x" * 16)[2:34] + bytes(6)
    assert await fold_rows(changelog((b"a", old), (b"b", row(1, 1)))) == {
        "a": UserFold(3, 8, b"x" * 16),
        "b": UserFold(1, 1),
    }


async def test_a_row_of_another_format_is_refused() -> None:
    broken = b"\xff\xff" + row(1, 0)[2:]
    with pytest.raises(RowFormatError):
        await fold_rows(changelog((b"a", broken)))


async def test_an_empty_changelog_has_no_users() -> None:
    assert await fold_rows(changelog()) == {}


FOLDS = st.dictionaries(
    st.sampled_from("abc"), st.builds(UserFold, st.integers(1, 5), st.integers(0, 3), st.sampled_from([NEW, b"x" * 16]))
)


@given(FOLDS)
def test_a_fold_equals_itself(fold: dict[str, UserFold]) -> None:
    assert compare(fold, fold) == Comparison()
    assert compare(fold, fold).exact


@given(FOLDS, FOLDS)
def test_exact_means_equal_and_lost_and_doubled_sum_up_to_the_difference(
    expected: dict[str, UserFold], actual: dict[str, UserFold]
) -> None:
    comparison = compare(expected, actual)
    assert comparison.exact == (expected == actual)
    total = sum(fold.count for fold in actual.values()) - sum(fold.count for fold in expected.values())
    assert comparison.doubled - comparison.lost == total
    mirrored = compare(actual, expected)
    assert (mirrored.lost, mirrored.doubled) == (comparison.doubled, comparison.lost)


def test_a_lost_event_is_not_offset_by_a_doubled_one() -> None:
    comparison = compare({"a": UserFold(2, 3), "b": UserFold(2, 4)}, {"a": UserFold(1, 3), "b": UserFold(3, 4)})
    assert (comparison.lost, comparison.doubled) == (1, 1)
    assert str(comparison) == "1 events lost, 1 counted twice"


def test_equal_counts_in_another_order_differ_in_the_chain() -> None:
    comparison = compare({"a": UserFold(2, 3, b"x" * 16)}, {"a": UserFold(2, 3, b"y" * 16)})
    assert not comparison.exact
    assert str(comparison) == "0 events lost, 0 counted twice; wrong chain of 1 users (a)"
