import numpy as np
import pytest

from state.errors import RowFormatError
from state.row_format import FORMAT, Field
from state.rows import RowLayout
from tests.unit.state.golden_rows import GOLDEN_FIELDS, ROW_FORMAT_1, ROW_FORMAT_2

FIELDS: list[Field] = [("h", "<f2", (4,)), ("steps", "<u4", ()), ("ring", ">i8", (3,))]


@pytest.fixture
def layout() -> RowLayout:
    return RowLayout(FIELDS)


def test_a_row_is_packed_and_little_endian(layout: RowLayout) -> None:
    assert layout.size == 2 + 8 + 8 + 16 + 4 + 4 + 4 * 2 + 4 + 3 * 8
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
    with pytest.raises(RowFormatError, match=r"rows of format \[9\], this program reads formats 1 and 2"):
        layout.unpack(layout.pack(rows))


def test_a_row_has_the_bytes_of_format_2() -> None:
    layout = RowLayout(GOLDEN_FIELDS)
    rows = layout.new(1)
    rows["count"], rows["last_offset"], rows["chain"] = 5, 991, range(16)
    rows["new_steps"], rows["lineage"] = 3, 0xC0FFEE01
    rows["h"], rows["steps"] = [1.0, -2.0], 9
    assert layout.pack(rows) == [ROW_FORMAT_2]
    assert layout.unpack([ROW_FORMAT_2]) == rows


def test_rows_of_format_1_are_upgraded_wherever_they_stand() -> None:
    layout = RowLayout(GOLDEN_FIELDS)
    rows = layout.unpack([ROW_FORMAT_1, None, ROW_FORMAT_2, ROW_FORMAT_1])
    assert rows["format"].tolist() == [FORMAT] * 4
    assert rows["count"].tolist() == [5, 0, 5, 5]
    assert (rows["new_steps"].tolist(), rows["lineage"].tolist()) == ([0, 0, 3, 0], [0, 0, 0xC0FFEE01, 0])
    without = [name for name in layout.dtype.names or () if name not in ("new_steps", "lineage")]
    assert (rows[without][[0, 3]] == rows[without][2]).all()
    rows["count"] += 1
    assert [len(row) for row in layout.pack(rows)] == [layout.size] * 4


def test_a_row_with_the_length_of_the_other_format_is_refused() -> None:
    size = len(ROW_FORMAT_2)
    with pytest.raises(RowFormatError, match=rf"rows of \[{size - 8}\] bytes where the model's rows take {size}"):
        RowLayout(GOLDEN_FIELDS).unpack([ROW_FORMAT_2, ROW_FORMAT_2[:-8]])
    with pytest.raises(RowFormatError, match=rf"rows of \[{size + 8}\] bytes where the model's rows take {size}"):
        RowLayout(GOLDEN_FIELDS).unpack([ROW_FORMAT_1 + bytes(8)])


def test_rows_of_another_layout_are_not_packed(layout: RowLayout) -> None:
    with pytest.raises(RowFormatError, match="a program error"):
        layout.pack(RowLayout(FIELDS[:1]).new(1))


@pytest.mark.parametrize("field", [("o", "O", ()), ("s", "S4", ()), ("count", "<i4", ())])
def test_a_field_without_fixed_numbers_or_with_a_taken_name_is_refused(field: Field) -> None:
    with pytest.raises(ValueError, match=r"fixed width|more than once"):
        RowLayout([field])
