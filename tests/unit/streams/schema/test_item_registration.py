import pytest

from models.items.slots import Registration
from streams.errors import TopicError
from streams.schema.item_registration import decode_registration, encode_registration


@pytest.mark.parametrize("registration", [Registration(5), Registration(5, (1, 70_000)), Registration()])
def test_a_registration_reads_as_it_was_written(registration: Registration) -> None:
    read = decode_registration("t", "日本".encode(), encode_registration(registration), 1234)
    assert read == ("日本", registration._replace(time_ms=1234))


def test_its_value_is_json() -> None:
    assert encode_registration(Registration(5, [1, 2])) == b'{"capacity":5,"evict":[1,2]}'


@pytest.mark.parametrize("value", [None, b""])
def test_records_of_earlier_versions_evict_nothing(value: bytes | None) -> None:
    assert decode_registration("t", b"a", value, 0) == ("a", Registration())


def test_fields_of_later_versions_are_left_alone() -> None:
    assert decode_registration("t", b"a", b'{"capacity":5,"more":[]}', 0)[1] == Registration(5)


@pytest.mark.parametrize(("key", "value"), [(b"\xff", b""), (b"a", b"{"), (b"a", b'{"evict":["x"]}'), (b"a", b"[]")])
def test_what_cannot_be_read_is_an_error_that_says_what_to_do(key: bytes, value: bytes) -> None:
    with pytest.raises(TopicError, match=r"^t: .*restore the topic"):
        decode_registration("t", key, value, 0)
