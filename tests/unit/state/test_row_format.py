import pytest

from state.errors import RowFormatError
from state.row_format import Field, RowFormat, header, without_offset
from state.rows import RowLayout
from tests.unit.state.golden_rows import GOLDEN_FIELDS, ROW_FORMAT_1, ROW_FORMAT_2

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
    with pytest.raises(RowFormatError, match=r"rows of format \[9\], this program reads formats 1 and 2"):
        RowFormat(FIELDS).read(b"\x09" + row[1:], "count")


def test_a_row_of_format_1_is_read_as_its_upgrade() -> None:
    names = ("format", "count", "last_offset", "chain", "h", "steps")
    old, new = (
        RowFormat(GOLDEN_FIELDS).read(row, *names, "new_steps", "lineage") for row in (ROW_FORMAT_1, ROW_FORMAT_2)
    )
    assert {name: old[name] for name in names} == {name: new[name] for name in names}
    assert (old["new_steps"], old["lineage"]) == (0, 0)
    assert (new["new_steps"], new["lineage"]) == (3, 0xC0FFEE01)


def test_a_header_is_a_row_without_fields_in_either_format() -> None:
    rows = RowLayout([]).unpack([header(ROW_FORMAT_1), header(ROW_FORMAT_2)])
    assert (rows["count"].tolist(), rows["last_offset"].tolist()) == ([5, 5], [991, 991])


@pytest.mark.parametrize("stored", [ROW_FORMAT_1, ROW_FORMAT_2])
def test_a_row_without_its_offset_has_no_new_steps_and_is_the_same_otherwise(stored: bytes) -> None:
    layout = RowLayout(GOLDEN_FIELDS)
    (before,) = layout.unpack([stored])
    (row,) = RowLayout(GOLDEN_FIELDS).unpack([without_offset(stored)])
    before["last_offset"], before["new_steps"] = -1, 0
    assert row == before
    assert len(without_offset(stored)) == layout.size
