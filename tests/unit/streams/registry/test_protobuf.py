"""Golden bytes are those of the Protobuf encoding, written out by hand."""

import json
from typing import Any

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from streams.errors import Rejected
from streams.registry.protobuf import ProtobufDecoder, enum_names, message_indexes
from streams.registry.protobuf_schema import file_descriptor

SCHEMA = """
syntax = "proto3";
package shop.v1;
import "confluent/type/decimal.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

message Other { message Inner { string id = 1; Inner next = 2; } }
enum EventType { EVENT_TYPE_UNSPECIFIED = 0; EVENT_TYPE_CLICK = 1; EVENT_TYPE_ADD_TO_CART = 2; }
enum Kind { VIEW = 0; BUY = 1; }
message UserEvent {
  string user_id = 1;
  EventType event_type = 2;
  Kind kind = 3;
  optional Kind optional_kind = 4;
  google.protobuf.Timestamp timestamp = 5;
  google.protobuf.DoubleValue value = 6;
  int64 number = 7;
  repeated string impression = 8;
  map<string, int64> counts = 9;
  google.protobuf.Struct properties = 10;
  confluent.type.Decimal price = 11;
  bytes raw = 12;
  repeated Kind kinds = 13;
  map<int32, Kind> by_number = 14;
  oneof source { string page = 15; bool push = 16; }
  Other.Inner inner = 17;
}
"""


@pytest.fixture(scope="module")
def file() -> FileDescriptor:
    return file_descriptor(SCHEMA, {})


def decoded(file: FileDescriptor, payload: bytes) -> Any:
    return json.loads(ProtobufDecoder(file).to_json(payload))


def event(file: FileDescriptor, **fields: Any) -> bytes:
    message: Message = GetMessageClass(file.message_types_by_name["UserEvent"])(**fields)
    return b"\x02\x02" + message.SerializeToString()


def test_golden_bytes(file: FileDescriptor) -> None:
    message = b"\x0a\x02u1\x10\x01\x2a\x0b\x08\xe0\xe4\xea\xb9\x06\x10\xc0\xa9\xd3\x3a\x32\x09\x09" + bytes(
        [0, 0, 0, 0, 0, 0, 0x0C, 0x40]
    )
    assert decoded(file, b"\x02\x02" + message) == {
        "user_id": "u1",
        "event_type": "CLICK",
        "kind": "VIEW",
        "timestamp": 1_731_900_000_123,
        "value": 3.5,
    }


def test_message_indexes() -> None:
    assert message_indexes(b"\x00abc") == ((0,), 1)
    assert message_indexes(b"\x02\x00abc") == ((0,), 2)
    assert message_indexes(b"\x04\x02\x06abc") == ((1, 3), 3)
    assert message_indexes(b"\x02\x80\x02abc") == ((128,), 3)


@pytest.mark.parametrize("payload", [b"", b"\x02", b"\x04\x02", b"\x01", b"\xff\xff\xff\xff\xff\xff", b"\xc8\x02\x00"])
def test_message_indexes_without_end(file: FileDescriptor, payload: bytes) -> None:
    with pytest.raises(Rejected, match=r"schema_mismatch: is not of its Protobuf schema: .*index"):
        decoded(file, payload)


def test_a_message_of_another_index(file: FileDescriptor) -> None:
    assert decoded(file, b"\x04\x00\x00" + b"\x0a\x01a\x12\x03\x0a\x01b") == {"id": "a", "next": {"id": "b"}}
    assert decoded(file, b"\x00") == {}
    for payload in (b"\x02\x04", b"\x04\x00\x02", b"\x02\x01"):
        with pytest.raises(Rejected, match="it has no message with the indexes"):
            decoded(file, payload)


def test_every_kind_of_field(file: FileDescriptor) -> None:
    payload = event(
        file,
        user_id="u1",
        event_type=2,
        optional_kind=0,
        value={"value": 2.5},
        number=2**60,
        impression=["a", "b"],
        counts={"x": -1},
        properties={"a": [1, None, {"b": True}]},
        price={"value": b"\x04\xd2", "scale": 2},
        raw=b"\xff\x00",
        kinds=[0, 1],
        by_number={3: 1},
        push=False,
        inner={"id": "i", "next": {"id": "j"}},
    )
    assert decoded(file, payload) == {
        "user_id": "u1",
        "event_type": "ADD_TO_CART",
        "kind": "VIEW",
        "optional_kind": "VIEW",
        "value": 2.5,
        "number": 2**60,
        "impression": ["a", "b"],
        "counts": {"x": -1},
        "properties": {"a": [1, None, {"b": True}]},
        "price": "12.34",
        "raw": "/wA=",
        "kinds": ["VIEW", "BUY"],
        "by_number": {"3": "BUY"},
        "push": False,
        "inner": {"id": "i", "next": {"id": "j"}},
    }


def test_what_is_not_set_is_left_out(file: FileDescriptor) -> None:
    assert decoded(file, event(file)) == {"kind": "VIEW"}  # the first value of an enum is what a set one looks like


def test_times_before_1973_keep_their_unit(file: FileDescriptor) -> None:
    assert decoded(file, event(file, timestamp={"seconds": 86_400}))["timestamp"] == "1970-01-02T00:00:00Z"


def test_unknown_fields_and_numbers_of_enums_are_kept_out_of_the_way(file: FileDescriptor) -> None:
    assert decoded(file, event(file, kind=7) + b"\xfa\x01\x01x") == {"kind": 7}


@pytest.mark.parametrize("message", [b"\x0a\x05u1", b"\x0a\x02\xff\xfe", b"\x07"])
def test_bytes_of_another_schema_are_refused(file: FileDescriptor, message: bytes) -> None:
    with pytest.raises(Rejected, match="schema_mismatch: is not of its Protobuf schema: "):
        decoded(file, b"\x02\x02" + message)


def test_no_depth_ends_the_process(file: FileDescriptor) -> None:
    inner = b"\x0a\x01a"
    for _ in range(5_000):
        length, prefix = len(inner), b""
        while length:
            prefix += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
            length >>= 7
        inner = b"\x12" + prefix + inner
    with pytest.raises(Rejected, match="schema_mismatch"):
        decoded(file, b"\x04\x00\x00" + inner)


def test_names_of_enum_values_go_without_the_prefix_that_all_share() -> None:
    file = file_descriptor(
        """
        syntax = "proto3";
        enum HTTPKind { HTTP_KIND_GET = 0; HTTP_KIND_PUT = 1; }
        enum Mixed { MIXED_A = 0; B = 1; }
        enum Digits { DIGITS_1 = 0; DIGITS_2 = 1; }
        enum Alias { option allow_alias = true; UNSPECIFIED = 0; ONE = 1; UNO = 1; }
        """,
        {},
    )
    names = {name: enum_names(enum) for name, enum in file.enum_types_by_name.items()}
    assert names == {
        "HTTPKind": {0: "GET", 1: "PUT"},
        "Mixed": {0: "MIXED_A", 1: "B"},
        "Digits": {0: "DIGITS_1", 1: "DIGITS_2"},
        "Alias": {0: None, 1: "ONE"},
    }
