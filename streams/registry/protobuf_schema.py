"""Protobuf schemas as registries hold them, text or a descriptor in base64, to descriptors, by protoc."""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from streams.errors import Rejected

_TIMEOUT_S: Final = 60.0
_MAIN: Final = "registered.proto"
_MOST_CHARACTERS: Final = 300
_LOGGED: Final = re.compile(r"WARNING|[IW]\d{4} ")  # beside errors
# Confluent's serializers import these without naming them as references.
_KNOWN: Final = {
    "confluent/meta.proto": """
        syntax = "proto3";
        package confluent;
        import "google/protobuf/descriptor.proto";
        message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
        extend google.protobuf.FileOptions { Meta file_meta = 1088; }
        extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
        extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
        extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
        extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
    """,
    "confluent/type/decimal.proto": """
        syntax = "proto3";
        package confluent.type;
        message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }
    """,
}


def file_descriptor(schema: str, references: Mapping[str, str]) -> FileDescriptor:
    """The descriptor of the schema; `references` maps the names that it and they import to their schemas.

    Raises Rejected.
    """
    sources = {_MAIN: schema, **references}
    descriptors = {name: descriptor for name, text in sources.items() if (descriptor := _decoded(name, text))}
    texts = {name: text for name, text in {**_KNOWN, **sources}.items() if name not in descriptors}
    compiled = _compile(descriptors, texts)
    pool = DescriptorPool()
    try:
        for file in compiled.file:
            pool.Add(file)
        return pool.FindFileByName(_MAIN)
    except (TypeError, KeyError) as error:
        raise Rejected("unusable_schema", f"its Protobuf schema cannot be read: {error}") from error


def _decoded(name: str, schema: str) -> FileDescriptorProto | None:
    """The descriptor that the schema is, as clients for Python and .NET register it; None for text."""
    try:
        descriptor = FileDescriptorProto.FromString(base64.b64decode(schema, validate=True))
    except (binascii.Error, ValueError, DecodeError):
        return None
    descriptor.name = name  # what other schemas import it as
    return descriptor


def _compile(descriptors: Mapping[str, FileDescriptorProto], texts: Mapping[str, str]) -> FileDescriptorSet:
    """All files that the main one needs, imported ones before those that import them."""
    with tempfile.TemporaryDirectory(prefix="interest-protoc-") as name:
        folder = Path(name)
        sources = folder / "sources"
        for file, text in texts.items():
            if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
                raise Rejected("unusable_schema", f"its Protobuf schema imports a file outside of it: {file[:80]!r}")
            path = sources / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        given, result = folder / "given", folder / "result"
        given.write_bytes(FileDescriptorSet(file=descriptors.values()).SerializeToString())
        # A process of its own: its messages are caught, and nothing that it does to a schema can end this one.
        protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{sources}", f"--descriptor_set_in={given}"]
        try:
            done = subprocess.run(
                [*protoc, "--include_imports", f"--descriptor_set_out={result}", _MAIN],
                capture_output=True,
                text=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Rejected("unusable_schema", f"protoc takes longer than {_TIMEOUT_S:.0f} s for it") from error
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if not _LOGGED.match(line)]
            cause = "; ".join(errors).replace(f"{sources}/", "")[:_MOST_CHARACTERS]
            raise Rejected("unusable_schema", f"its Protobuf schema does not compile: {cause}")
        return FileDescriptorSet.FromString(result.read_bytes())
