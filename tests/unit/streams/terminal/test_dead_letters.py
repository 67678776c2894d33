"""Dead letters as they are printed."""

import io
from typing import Any

import pytest
from rich.console import Console

from streams.schema.dead_letters.reader import Letter
from streams.settings.settings import load_settings
from streams.terminal.dead_letters import LetterFilter, in_json, print_letter, print_letters
from tests.registry_server import RegistryServer, serving


def letter(offset: int, reason: str = "not_json", **fields: Any) -> Letter:
    given: dict[str, Any] = {
        "letter_partition": 2, "letter_offset": offset, "reason": reason, "message": "no", "app_version": "1",
        "topic": "user-events", "partition": 2, "offset": 100 + offset, "timestamp": 1_731_900_000_000 + offset,
        "key": b"u1", "value": b'{"a": [1]}', "headers": [], "replaced": (), "events": (),
    }  # fmt: skip
    return Letter(**{**given, **fields})


def printed(console: Console) -> list[str]:
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_reasons_are_counted_and_the_newest_listed() -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    letters = [letter(1), letter(2, replayed=True), letter(3, "missing_field")]
    print_letters(console, letters, limit=2)
    lines = printed(console)
    assert lines[1:3] == ["not_json 2 1", "missing_field 1"]
    assert "The newest 2 of 3" in lines
    assert lines[-2].startswith("2:2 2024-11-18 03:20:00 UTC user-events:2:102 u1 not_json: no (replayed)")
    assert lines[-1].startswith("2:3 2024-11-18 03:20:00 UTC user-events:2:103 u1 missing_field: no")


@pytest.mark.parametrize("value", [b'{"a": "\\u001b[31m"}', b"\x1b[31m\xff", None])
def test_a_letter_in_full_never_acts_on_the_terminal(value: bytes | None) -> None:
    console = Console(width=160, record=True, file=io.StringIO())
    print_letter(console, letter(1, value=value, key=b"\x1bkey", message="[bold]\x07", headers=[("\x1b", b"\x9b")]))
    print_letters(console, [letter(1, key=b"\x1bkey", message="\x1b")], limit=1)
    text = console.export_text()
    assert not set(map(chr, [*range(0x20), *range(0x7F, 0xA0)])) - {"\n"} & set(text)
    assert "[bold]\\x07" in text


async def test_what_a_schema_wrote_is_shown_as_json() -> None:
    registry = RegistryServer()
    key_id, value_id = registry.add("k", '"string"'), registry.add("v", {"type": "array", "items": "long"})
    framed = letter(1, key=bytes([0, 0, 0, 0, key_id]) + b"\x04u1", value=bytes([0, 0, 0, 0, value_id]) + b"\x02\x22\0")
    assert await in_json(load_settings(), framed) == framed
    with serving(registry):
        settings = load_settings(None, [f"registry.url={registry.url}"])
        shown = await in_json(settings, framed)
        assert (shown.key, shown.value) == (b'"u1"', b"[17]")
        for value in (None, b"{}", b"\0", b"\0\0\0\0\x09x", framed.value and framed.value[:-1]):
            assert await in_json(settings, letter(1, value=value)) == letter(1, value=value)


def test_letters_are_chosen_by_reason_partition_and_time() -> None:
    assert LetterFilter().accepts(letter(1))
    assert LetterFilter(reasons=("not_json",), partitions=(2,)).accepts(letter(1))
    assert not LetterFilter(reasons=("missing_field",)).accepts(letter(1))
    assert not LetterFilter(partitions=(0, 1)).accepts(letter(1))
    time_ms = letter(1).timestamp
    assert LetterFilter(since_ms=time_ms, until_ms=time_ms + 1).accepts(letter(1))
    assert not LetterFilter(since_ms=time_ms + 1).accepts(letter(1))
    assert not LetterFilter(until_ms=time_ms).accepts(letter(1))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_narrow_output_has_every_position_and_key(is_terminal: bool) -> None:
    file = io.StringIO()
    console = Console(width=40, file=file, force_terminal=is_terminal, color_system=None)
    print_letters(console, [letter(123_456, key=b"user-1234567890", message="word " * 12)], limit=2)
    text = file.getvalue()
    assert "2:123456" in text
    assert "user-1234567890" in text
    assert text.count("word") == 12
    assert ("2:123456\n" in text) == is_terminal
