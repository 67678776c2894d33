"""Records of `item-index`: the id of a newcomer as key, and in the value what its writer knew.

Values of earlier versions are empty. A record without effect, as of an item that is registered already, stays there.
"""

import msgspec

from models.items.slots import Registration
from streams.errors import TopicError


class _Value(msgspec.Struct, omit_defaults=True):
    capacity: int | None = None
    evict: tuple[int, ...] = ()


_DECODER = msgspec.json.Decoder(_Value)


def encode_registration(registration: Registration) -> bytes:
    """The record's value; its timestamp is Kafka's."""
    return msgspec.json.encode(_Value(registration.capacity, tuple(registration.candidates)))


def decode_registration(topic: str, key: bytes | None, value: bytes | None, time_ms: int) -> tuple[str, Registration]:
    """Item id and registration. Raises TopicError: no record of the register may be left out."""
    try:
        item_id = (key or b"").decode()
        registration = _DECODER.decode(value) if value else _Value()
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise unreadable_register(topic, f"a record cannot be read ({error})") from error
    return item_id, Registration(registration.capacity, registration.evict, time_ms)


def unreadable_register(topic: str, fault: str) -> TopicError:
    """The error for a register that cannot be used, and what to do."""
    return TopicError(
        f"{topic}: {fault}. Its order is the items' numbering, so that no record can be left out: restore the topic, "
        "or start anew with another (topics.item_index, kafka.group_id)"
    )
