import random

from models.items.ragged_rows import RaggedRows


def test_rows_are_those_last_written() -> None:
    rng = random.Random(1)
    rows, expected = RaggedRows(), {}
    for _ in range(5000):
        index, row = rng.randrange(300), [rng.randrange(1000) for _ in range(rng.choice([0, 1, 2, 3, 40]))]
        rows.replace(index, row)
        expected[index] = row
    row_index, value, length = rows.entries(400)
    assert list(zip(row_index.tolist(), value.tolist(), strict=True)) == [
        (index, value) for index in sorted(expected) for value in expected[index]
    ]
    assert length.tolist() == [len(expected.get(index, [])) for index in range(400)]


def test_replaced_rows_take_no_memory_for_ever() -> None:
    rows = RaggedRows()
    for number in range(10_000):
        rows.replace(7, range(number % 100))
    assert len(rows._values) <= 4096


def test_no_rows_have_no_entries() -> None:
    index, value, length = RaggedRows().entries(3)
    assert len(index) == len(value) == 0
    assert length.tolist() == [0, 0, 0]
