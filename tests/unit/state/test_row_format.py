import pytest

from state.errors import RowFormatError
from state.row_format import FORMAT, Field, RowFormat, without_offset
from state.rows import RowLayout

FIELDS: list[Field] = [("h", "<f2", (4,)), ("steps", "<u4", ()), ("ring", ">i8", (3,))]


@pytest.fixture
def layout() -> RowLayout:
    return RowLayout(FIELDS)


def test_the_fields_of_a_row_are_read_without_numpy(layout: RowLayout) -> None:
    rows = layout.new(1)
    rows["count"], rows["chain"], rows["h"], rows["steps"], rows["ring"] = 5, range(16), 0.5, 9, [-1, 0, 2**40]
    row_format = RowFormat(FIELDS)
    assert row_format.size == layout.size
    assert row_format.read(layout.pack(rows)[0], "count", "last_offset", "chain", "h", "steps", "ring") == {
        "count": 5,
        "last_offset": -1,
        "chain": tuple(range(16)),
        "h": (0.5, 0.5, 0.5, 0.5),
        "steps": 9,
        "ring": (-1, 0, 2**40),
    }


def test_a_row_of_another_size_or_format_is_refused(layout: RowLayout) -> None:
    row = layout.pack(layout.new(1))[0]
    with pytest.raises(
        RowFormatError, match=rf"rows of \[{len(row) - 1}\] bytes where the model's rows take {len(row)}"
    ):
        RowFormat(FIELDS).read(row[1:], "count")
    with pytest.raises(RowFormatError, match=rf"rows of format \[9\], this program reads format {FORMAT}"):
        RowFormat(FIELDS).read(b"\x09" + row[1:], "count")


def test_a_row_without_its_offset_is_the_same_otherwise(layout: RowLayout) -> None:
    rows = layout.new(1)
    rows["count"], rows["last_offset"], rows["chain"], rows["steps"] = 5, 991, 7, 9
    (row,) = layout.unpack([without_offset(layout.pack(rows)[0])])
    rows["last_offset"] = -1
    assert row == rows[0]
