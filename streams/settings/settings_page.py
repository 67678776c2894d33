"""Tables of all settings in docs/settings.md; `python -m streams.settings.settings_page` writes them."""

from pathlib import Path
from typing import Final

from streams.settings.settings import SettingRow, Settings

FILE: Final = Path(__file__).parents[2] / "docs" / "settings.md"
_BEGIN: Final = "<!-- written by python -m streams.settings.settings_page -->\n"


def with_tables(page: str) -> str:
    """The page, its tables those of the settings as they are."""
    return page.partition(_BEGIN)[0] + _BEGIN + "".join(map(_table, _sections()))


def _sections() -> list[tuple[str, list[SettingRow]]]:
    sections: dict[str, list[SettingRow]] = {}
    for row in Settings().explain():
        sections.setdefault(row.key.partition(".")[0], []).append(row)
    return list(sections.items())


def _table(section: tuple[str, list[SettingRow]]) -> str:
    name, rows = section
    lines = "".join(f"| `{row.key.partition('.')[2]}` | {_cell(row.value)} | {row.help} |\n" for row in rows)
    return f"\n## {name}\n\n| setting | default | |\n|---|---|---|\n{lines}"


def _cell(value: object) -> str:
    return f"`{value}`" if str(value) else ""


if __name__ == "__main__":
    FILE.write_text(with_tables(FILE.read_text(encoding="utf-8")), encoding="utf-8")
