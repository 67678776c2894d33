"""One row in the bytes of each format: rows are stored for years."""

from state.row_format import Field

GOLDEN_FIELDS: list[Field] = [("h", "<f2", (2,)), ("steps", "<u4", ())]

_COUNT_TO_CHAIN = (
    "0500000000000000"  # count 5
    "df03000000000000"  # last_offset 991
    "000102030405060708090a0b0c0d0e0f"  # chain
)
_FIELDS = (
    "003c00c0"  # h 1.0, -2.0
    "09000000"  # steps 9
)
ROW_FORMAT_1 = bytes.fromhex("0100" + _COUNT_TO_CHAIN + _FIELDS)
ROW_FORMAT_2 = bytes.fromhex(
    "0200" + _COUNT_TO_CHAIN + "03000000"  # new_steps 3
    "01eeffc0"  # lineage c0ffee01
     + _FIELDS
)
