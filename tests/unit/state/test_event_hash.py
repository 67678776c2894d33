from hashlib import blake2b

from state.event_hash import advance_chain

START = bytes(16)


def test_a_link_is_the_hash_of_the_previous_chain_and_the_id() -> None:
    first = blake2b(START + b"a", digest_size=16).digest()
    assert advance_chain(START, [b"a"]) == first
    assert advance_chain(START, [b"a", b"b"]) == blake2b(first + b"b", digest_size=16).digest()


def test_order_and_repetition_change_the_chain() -> None:
    chains = {advance_chain(START, ids) for ids in ([b"a", b"b"], [b"b", b"a"], [b"a"], [b"a", b"a"], [])}
    assert len(chains) == 5
