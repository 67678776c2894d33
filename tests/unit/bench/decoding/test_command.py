from dataclasses import replace

from typer.testing import CliRunner

from bench.cli import app
from bench.decoding.formats import records, schemas
from streams.schema.decoder import BUILT_IN_RULES, decode
from streams.schema.events import UserEvent


def test_every_format_holds_the_same_event() -> None:
    rules = replace(BUILT_IN_RULES, transcoder=schemas())
    decoded = [decode(record, rules=rules) for record in records().values()]
    assert all(rejected is None for _, rejected in decoded)
    events = [list(events) for events, _ in decoded]
    assert events == [events[0]] * len(events)
    (event,) = events[0]
    assert isinstance(event, UserEvent)


def test_a_line_for_each_format() -> None:
    result = CliRunner().invoke(app, ["decoding", "--events", "2"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()[1:]
    assert [line.split("  ")[0].strip() for line in lines] == list(records())
    assert lines[0].split()[-1] == "1.0"
