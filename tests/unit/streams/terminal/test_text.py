import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from streams.cli.logging_setup import PrintableFormatter
from streams.cli.main import app
from streams.errors import StreamError
from streams.schema.predictions import Carriers, Prediction, Source
from streams.schema.quality import Means, WorkerQuality
from streams.terminal.predictions import render_prediction
from streams.terminal.quality import StatsTable
from streams.terminal.text import format_time, printable, printable_json, printable_lines

EVIL = "a\x1b]0;owned\x07\x9b31m\r\u202egnp.exe[bold red]b[/]"
CONTROLS = set(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    assert not CONTROLS & set(printable(text))
    assert not CONTROLS - {"\n", "\t"} & set(printable_lines(text))
    printable(text).encode()  # lone surrogates are escaped too


@pytest.mark.parametrize("text", ["plain", "Amélie", "東京物語", "شاهنامه", "👩‍👩‍👧", "[bold]Heist[/]", ""])
def test_text_of_every_language_stays(text: str) -> None:
    assert printable(text) == printable_lines(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_json_stays_the_same_document(text: str) -> None:
    document = json.dumps({"title": text}, ensure_ascii=False)
    assert json.loads(printable_json(document)) == {"title": text}
    assert not CONTROLS & set(printable_json(document))


@pytest.mark.parametrize(
    ("epoch_ms", "shown"),
    [
        (1_731_900_000_123, "2024-11-18 03:20:00 UTC"),
        (-(10**15), "-1000000000000000 ms since 1970"),
        (10**17, "100000000000000000 ms since 1970"),
        (sys.maxsize, "9223372036854775807 ms since 1970"),
    ],
)
def test_every_time_can_be_shown(epoch_ms: int, shown: str) -> None:
    assert format_time(epoch_ms) == shown


def drawn(renderable: object) -> str:
    console = Console(width=200, force_terminal=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_ids_and_titles_of_a_prediction_never_act_on_the_terminal() -> None:
    prediction = Prediction(
        "user-events:3:991", EVIL, "e1", 10**17, 0, EVIL, 118, Source("user-events", 3, 991),
        [EVIL], [0.5], 0.5, [EVIL], [0.75], [EVIL], [0.4], 0.6, Carriers(0.6, 0.004, 0.246, 0.15),
    )  # fmt: skip
    text = drawn(render_prediction(prediction, lambda item: item))
    assert not CONTROLS - {"\n"} & set(text)
    assert "[bold red]b[/]" in text
    assert "\\x1b]0;owned" in text


def test_names_of_workers_never_act_on_the_terminal() -> None:
    table = StatsTable()
    record = WorkerQuality(
        0.5, 0.25, 2.5, worker=EVIL, emitted_at=10**17, model_version="00c0ffee.4", events=1, scored=1, window=1,
        possible=1, popularity=Means(0.125, 0.0625, None),
    )  # fmt: skip
    line = table.add(record, 0.0)
    assert not CONTROLS & set(line)
    assert not CONTROLS - {"\n"} & set(drawn(table))


def test_messages_never_act_on_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> list[str]:
        raise StreamError(f"item {EVIL}\n  second line")

    monkeypatch.setattr("streams.settings.settings.load_settings", fail)
    with pytest.raises(SystemExit):
        app(["config"])
    text = capsys.readouterr().err
    assert "second line" in text
    assert "\\x1b]0;owned\\x07" in text


def test_log_lines_never_act_on_the_terminal() -> None:
    record = logging.LogRecord("streams", logging.WARNING, "f", 1, "item %s", (EVIL,), None)
    assert not CONTROLS & set(PrintableFormatter("%(message)s").format(record))
