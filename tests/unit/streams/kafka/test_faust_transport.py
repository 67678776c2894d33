from tests.records import batch, click


def test_a_batchs_next_offset_follows_its_last_record() -> None:
    fetched = batch(click(7, "u"), click(8, "u"), click(11, "u"))
    assert (fetched.first_offset, fetched.next_offset) == (7, 12)


def test_since_drops_records_before_the_offset() -> None:
    fetched = batch(click(7, "u"), click(8, "u"), click(11, "u"))
    assert fetched.since(3) is fetched
    assert [r.offset for r in (fetched.since(8) or fetched).records] == [8, 11]
    assert [r.offset for r in (fetched.since(9) or fetched).records] == [11]
    assert fetched.since(12) is None
