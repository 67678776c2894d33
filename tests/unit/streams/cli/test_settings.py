import io

import pytest
from rich.console import Console

from streams.cli.settings import print_settings
from streams.settings.settings import load_settings


@pytest.mark.parametrize(("width", "is_terminal"), [(40, True), (80, True), (40, False)])
def test_no_value_and_no_meaning_is_cut(width: int, is_terminal: bool) -> None:
    rows = load_settings(None, ["kafka.bootstrap_servers=" + "broker-with-a-long-name:9092," * 3 + "b:1"]).explain()
    file = io.StringIO()
    print_settings(Console(width=width, file=file, force_terminal=is_terminal, color_system=None), rows)
    text = file.getvalue()
    joined = "".join(text.split())
    for row in rows:
        assert all("".join(part.split()) in joined for part in (row.key, str(row.value), row.source, row.help))
    if is_terminal:
        assert max(map(len, text.splitlines())) <= width
    else:
        assert len(text.splitlines()) == 1 + len(rows)
