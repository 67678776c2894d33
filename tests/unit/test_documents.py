"""README and docs: links lead somewhere, what is generated is current, the README is short."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.settings import settings_page

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def links(page: Path) -> Iterator[str]:
    """Of the page to files of the project."""
    for link in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if not re.match(r"https?://|mailto:", link):
            yield link


def anchors(page: Path) -> set[str]:
    """Of the page's headings, as GitHub and MkDocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_every_page_is_linked_from_the_readme_and_from_the_first_page() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}
    linked = {link.partition("#")[0] for link in links(ROOT / "README.md")}
    assert {f"docs/{page}" for page in pages} <= linked
    assert pages == {link for link in links(ROOT / "docs" / "index.md") if link.endswith(".md")}


@pytest.mark.parametrize("page", sorted(ROOT.glob("README*.md")), ids=lambda page: page.name)
def test_a_readme_has_at_most_200_lines(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").splitlines()) <= 200


def test_the_tables_of_settings_are_current() -> None:
    page = settings_page.FILE.read_text(encoding="utf-8")
    assert page == settings_page.with_tables(page), "python -m streams.settings.settings_page"
