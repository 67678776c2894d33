"""fastavro: the readers that decode records, and what their private parts do."""

import io
import signal
import subprocess
import sys
from typing import Any

import pytest
from fastavro import _read_py, parse_schema, read, schemaless_reader

NODE = {"type": "record", "name": "Node", "fields": [{"name": "next", "type": ["null", "Node"]}]}
_DEEP = f"""
import io
from fastavro import parse_schema, schemaless_reader
schemaless_reader(io.BytesIO(b"\\x02" * 1_000_000 + b"\\0"), parse_schema({NODE!r}), None)
"""


def test_the_compiled_reader_ends_the_process_where_a_record_is_deep() -> None:
    """It has no bound on its depth; so that recursive schemas are read by the Python reader, at twice the time.

    When it fails: fastavro may have a bound now; then drop `_is_recursive` of streams.registry.avro.
    """
    done = subprocess.run([sys.executable, "-c", _DEEP], capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGSEGV, done.stderr


def test_the_python_reader_raises_there() -> None:
    """`fastavro._read_py` is the reader of platforms without a compiler: in no documentation, but in every wheel.

    When it fails: refuse recursive schemas.
    """
    with pytest.raises(RecursionError):
        _read_py.schemaless_reader(io.BytesIO(b"\x02" * 1_000_000 + b"\0"), parse_schema(NODE), None)


@pytest.mark.parametrize("reader", [schemaless_reader, _read_py.schemaless_reader])
def test_both_readers_take_logical_types_that_are_added(reader: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LOGICAL_READERS` is one table, keyed by "type-logicalType", whose entries get the value and both schemas.

    When it fails: the decoder refuses records with times, or gets them as datetime.
    """
    monkeypatch.setitem(read.LOGICAL_READERS, "long-test", lambda value, *_: f"test {value}")
    schema = parse_schema({"type": "long", "logicalType": "test"})
    assert reader(io.BytesIO(b"\x22"), schema, None) == "test 17"
