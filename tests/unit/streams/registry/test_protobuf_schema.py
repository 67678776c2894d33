import base64

import pytest
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from streams.errors import Rejected
from streams.registry.protobuf_schema import file_descriptor

USER = 'syntax = "proto3"; package shop; message User { string id = 1; }'
EVENT = """
syntax = "proto3";
import "shop/user.proto";
import "google/protobuf/timestamp.proto";
message Event { shop.User user = 1; google.protobuf.Timestamp at = 2; }
"""


def encoded(file: FileDescriptor) -> str:
    """As clients for Python register it: without the name under which it was compiled here."""
    descriptor = FileDescriptorProto()
    file.CopyToProto(descriptor)
    descriptor.name = "of_the_producer.proto"
    return base64.b64encode(descriptor.SerializeToString()).decode()


def test_text_and_descriptors_refer_to_each_other() -> None:
    user = encoded(file_descriptor(USER, {}))
    event = encoded(file_descriptor(EVENT, {"shop/user.proto": USER}))
    for schema in (EVENT, event):
        for referenced in (USER, user):
            file = file_descriptor(schema, {"shop/user.proto": referenced})
            fields = file.message_types_by_name["Event"].fields_by_name
            user_type, time_type = fields["user"].message_type, fields["at"].message_type
            assert user_type is not None
            assert time_type is not None
            assert (user_type.full_name, time_type.full_name) == ("shop.User", "google.protobuf.Timestamp")
            assert list(user_type.fields_by_name) == ["id"]


def test_what_confluent_s_serializers_import_by_themselves() -> None:
    file = file_descriptor(
        """
        syntax = "proto3";
        import "confluent/meta.proto";
        import "confluent/type/decimal.proto";
        option (confluent.file_meta).doc = "of the file";
        message Event {
          option (confluent.message_meta) = { doc: "of the message", tags: ["a"] };
          confluent.type.Decimal price = 1 [(confluent.field_meta) = { params: [{ key: "precision", value: "9" }] }];
        }
        """,
        {},
    )
    assert list(file.message_types_by_name) == ["Event"]


@pytest.mark.parametrize(
    ("schema", "cause"),
    [
        ('syntax = "proto3"; message A { Missing x = 1; }', r'registered\.proto:1:32: "Missing" is not defined\.'),
        ('syntax = "proto3"; import "a/missing.proto";', r"a/missing\.proto: File not found\."),
        ("no schema", r"registered\.proto:1:1: Expected top-level statement"),
        (EVENT, r"shop/user\.proto: File not found\."),
    ],
)
def test_a_schema_that_does_not_compile(schema: str, cause: str) -> None:
    with pytest.raises(Rejected, match=f"its Protobuf schema does not compile: {cause}") as caught:
        file_descriptor(schema, {})
    assert caught.value.code == "unusable_schema"
    assert "/tmp" not in caught.value.message


@pytest.mark.parametrize("name", ["../user.proto", "/user.proto", "a/../../user.proto"])
def test_no_reference_is_written_outside_of_the_folder(name: str) -> None:
    with pytest.raises(Rejected, match="imports a file outside of it"):
        file_descriptor(EVENT, {name: USER})
