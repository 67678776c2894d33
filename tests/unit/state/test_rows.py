import numpy as np
import pytest

from state.errors import RowFormatError
from state.row_format import FORMAT, Field
from state.rows import RowLayout

FIELDS: list[Field] = [("h", "<f2", (4,)), ("steps", "<u4", ()), ("ring", ">i8", (3,))]


@pytest.fixture
def layout() -> RowLayout:
    return RowLayout(FIELDS)


def test_a_row_is_packed_and_little_endian(layout: RowLayout) -> None:
    assert layout.size == 2 + 8 + 8 + 16 + 4 * 2 + 4 + 3 * 8
    assert layout.dtype["ring"].base == np.dtype("<i8")


def test_a_new_row_has_the_format_and_no_events(layout: RowLayout) -> None:
    row = layout.new(2)[1]
    assert (row["format"], row["count"], row["last_offset"]) == (FORMAT, 0, -1)
    assert not row["h"].any()
    assert not row["chain"].any()


def test_unpack_gives_a_new_row_where_there_is_none_and_may_be_written(layout: RowLayout) -> None:
    rows = layout.new(1)
    rows["steps"] = 7
    unpacked = layout.unpack([None, layout.pack(rows)[0], None])
    assert unpacked["steps"].tolist() == [0, 7, 0]
    assert unpacked["last_offset"].tolist() == [-1, -1, -1]
    unpacked["count"] += 1
    assert layout.unpack([None])["count"].tolist() == [0]


def test_no_values_are_no_rows(layout: RowLayout) -> None:
    assert layout.unpack([]).shape == (0,)
    assert layout.pack(layout.new(0)) == []


def test_lengths_that_only_sum_up_are_refused(layout: RowLayout) -> None:
    with pytest.raises(RowFormatError, match=rf"rows of \[{layout.size - 1}, {layout.size + 1}\] bytes"):
        layout.unpack([bytes(layout.size - 1), bytes(layout.size + 1)])


def test_a_row_of_another_format_is_refused(layout: RowLayout) -> None:
    rows = layout.new(2)
    rows["format"][1] = 9
    with pytest.raises(RowFormatError, match=r"rows of format \[9\], this program reads format 1"):
        layout.unpack(layout.pack(rows))


def test_rows_of_another_layout_are_not_packed(layout: RowLayout) -> None:
    with pytest.raises(RowFormatError, match="a program error"):
        layout.pack(RowLayout(FIELDS[:1]).new(1))


@pytest.mark.parametrize("field", [("o", "O", ()), ("s", "S4", ()), ("count", "<i4", ())])
def test_a_field_without_fixed_numbers_or_with_a_taken_name_is_refused(field: Field) -> None:
    with pytest.raises(ValueError, match=r"fixed width|more than once"):
        RowLayout([field])
