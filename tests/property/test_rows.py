import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from state.event_hash import advance_chain
from state.row_format import FORMAT, HEADER, Field, RowFormat
from state.rows import RowLayout

KINDS = ["?", "<i1", "<u2", "<i4", ">u8", "<f2", ">f4", "<f8", "<c8"]
NAMES = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8).filter(
    lambda name: name not in {field[0] for field in HEADER}
)
SHAPES = st.lists(st.integers(1, 4), max_size=2).map(tuple)
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(KINDS), SHAPES), max_size=6, unique_by=lambda field: field[0])


@given(FIELDS, st.integers(0, 20), st.randoms(use_true_random=False))
def test_rows_of_any_fields_survive_packing_bit_by_bit(fields: list[Field], n: int, random: object) -> None:
    layout = RowLayout(fields)
    noise = np.random.default_rng(getattr(random, "getrandbits")(32)).bytes(n * layout.size)  # noqa: B009
    rows = np.frombuffer(bytearray(noise), dtype=layout.dtype)
    rows["format"] = FORMAT
    values = layout.pack(rows)
    assert [len(value) for value in values] == [layout.size] * n
    assert layout.unpack(values).tobytes() == rows.tobytes()
    assert layout.pack(layout.unpack(values)) == values


@given(FIELDS, st.lists(st.booleans(), max_size=20), st.randoms(use_true_random=False))
def test_rows_of_format_1_among_others_keep_every_field(fields: list[Field], old: list[bool], random: object) -> None:
    layout = RowLayout(fields)
    noise = np.random.default_rng(getattr(random, "getrandbits")(32)).bytes(len(old) * layout.size)  # noqa: B009
    rows = np.frombuffer(bytearray(noise), dtype=layout.dtype)
    rows["format"] = FORMAT
    rows["new_steps"][old] = rows["lineage"][old] = 0
    begin = layout.dtype.fields["new_steps"][1] if layout.dtype.fields else 0
    values = [
        b"\1\0" + row[2:begin] + row[begin + 8 :] if is_old else row
        for row, is_old in zip(layout.pack(rows), old, strict=True)
    ]
    assert layout.unpack(values).tobytes() == rows.tobytes()


@given(st.lists(st.booleans(), max_size=20))
def test_new_rows_stand_where_values_are_missing(missing: list[bool]) -> None:
    layout = RowLayout([("h", "<f2", (3,))])
    rows = layout.new(len(missing))
    rows["count"] = np.arange(1, len(missing) + 1)
    values = [None if gone else value for value, gone in zip(layout.pack(rows), missing, strict=True)]
    expected = [0 if gone else i + 1 for i, gone in enumerate(missing)]
    assert layout.unpack(values)["count"].tolist() == expected


@given(st.lists(st.binary(max_size=8), max_size=10), st.integers(0, 10))
def test_a_chain_advances_in_any_number_of_parts(ids: list[bytes], cut: int) -> None:
    start = bytes(16)
    assert advance_chain(advance_chain(start, ids[:cut]), ids[cut:]) == advance_chain(start, ids)


@given(FIELDS, st.randoms(use_true_random=False))
def test_a_row_read_alone_is_as_in_an_array(fields: list[Field], random: object) -> None:
    fields = [field for field in fields if field[1] != "<c8"]
    layout = RowLayout(fields)
    noise = np.random.default_rng(getattr(random, "getrandbits")(32)).bytes(layout.size)  # noqa: B009
    row = np.frombuffer(bytearray(noise), dtype=layout.dtype)
    row["format"] = FORMAT
    names = [name for name, _, _ in (*HEADER, *fields)]
    values = RowFormat(fields).read(layout.pack(row)[0], *names)
    assert list(values) == names
    for name in names:
        np.testing.assert_array_equal(np.array(values[name], row[name].dtype).ravel(), row[name].ravel())
