from streams.schema.record import is_key_of, key_id, keys_of


def test_the_keys_of_an_id_are_that_id() -> None:
    assert keys_of("17") == [b"17", b"\0\0\0\x11", b"\0\0\0\0\0\0\0\x11"]
    assert keys_of("-1") == [b"-1", b"\xff" * 4, b"\xff" * 8]
    assert keys_of("3000000000") == [b"3000000000", (3_000_000_000).to_bytes(8)]
    assert keys_of(str(2**63)) == [str(2**63).encode()]
    assert [keys_of(id_) for id_ in ("Zoë", "017", " 17")] == [["Zoë".encode()], [b"017"], [b" 17"]]
    for id_ in ("17", "-1", "3000000000", "Zoë", "1234"):
        assert all(is_key_of(key, id_) for key in keys_of(id_))


def test_a_key_alone_is_a_number_only_where_it_is_no_printable_text() -> None:
    assert [key_id(key) for key in (b"1234", b"12345678", b'"u1"', b"\0\0\0\x11", b"\xff" * 8)] == [
        "1234",
        "12345678",
        "u1",
        "17",
        "-1",
    ]
    assert not is_key_of(None, "17")
