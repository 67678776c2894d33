"""The files of the live page: texts of both languages, and nothing that a strict content security policy refuses."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "streams" / "web" / "page"
SCRIPTS = sorted(PAGE.rglob("*.js"))
TEXTS = {name: PAGE / "assets" / "i18n" / f"{name}.js" for name in ("en", "zh")}
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def texts(language: str) -> dict[str, str]:
    lines = TEXTS[language].read_text().splitlines()
    assert (lines[0], lines[-1]) == ("export default {", "};")
    matches = [re.fullmatch(r'  "([\w.]+)": "((?:[^"\\]|\\.)*)",', line) for line in lines[1:-1]]
    assert all(matches), f"{language}: one key and its text per line"
    pairs = [(match[1], match[2]) for match in matches if match]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def sources() -> str:
    scripts = [path for path in SCRIPTS if path not in TEXTS.values()]
    return "\n".join(path.read_text() for path in [*scripts, PAGE / "index.html"])


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    english, chinese = texts("en"), texts("zh")
    assert list(english) == list(chinese) == sorted(english)
    for key, text in english.items():
        assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(chinese[key])), key


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    source = sources()
    english = texts("en")
    assert [key for key in english if f'"{key}"' not in source] == []
    used = re.findall(r'\bt\("([^"]+)"', source) + re.findall(r'data-(?:text|label)="([^"]+)"', source)
    assert [key for key in used if key not in english] == []


def test_nothing_makes_markup_or_code_of_strings() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc|setHTML"
        r"|createContextualFragment|setAttribute\(\"(?:style|on)"
    )
    assert [path.name for path in SCRIPTS if forbidden.search(path.read_text())] == []


def test_the_page_has_no_inline_script_or_style() -> None:
    html = (PAGE / "index.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", html) == []


def test_what_the_page_and_its_modules_name_is_there() -> None:
    html = (PAGE / "index.html").read_text()
    named = [PAGE / path for path in re.findall(r'(?:href|src)="(?!#)([^"]+)"', html)]
    for script in SCRIPTS:
        named += [script.parent / path for path in re.findall(r'from "([^"]+)"', script.read_text())]
    assert len(named) > len(SCRIPTS)
    assert [str(path) for path in named if not path.is_file()] == []


def test_what_a_module_exports_is_imported_by_another() -> None:
    exported = {
        (name, script)
        for script in SCRIPTS
        if script.name != "report_answers.js"  # stands in for api.js
        for name in re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", script.read_text(), re.MULTILINE)
    }
    imported = set()
    for script in SCRIPTS:
        for names, path in re.findall(r'^import \{([^}]+)\} from "([^"]+)"', script.read_text(), re.MULTILINE):
            imported |= {(name.strip(), (script.parent / path).resolve()) for name in names.split(",")}
    assert exported == imported


@pytest.mark.parametrize("path", sorted(PAGE.rglob("*.*")), ids=lambda path: path.name)
def test_files_are_small_and_load_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|url\(|@import|@font-face", text)
    assert text.count("\n") <= 300
