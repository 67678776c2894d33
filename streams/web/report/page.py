"""The live page as one HTML file: its own modules and styles, with answers in place of a server.

Modules import each other by path, which a file cannot: an import map gives each a name and its text as a data: URL.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from posixpath import dirname, join, normpath
from typing import Any, Final

from streams.web.http.page_files import FOLDER

_ASSETS: Final = FOLDER / "assets"
_IMPORT: Final = re.compile(r'(\bfrom |\bimport )"(\.{1,2}/[^"]+)"')
_POLICY: Final = "default-src 'none'; script-src 'unsafe-inline' data:; style-src 'unsafe-inline'; img-src data:"
_SERVER, _ANSWERS = "api.js", "report_answers.js"


def report_page(answers: Mapping[str, Any], source: str, made_ms: int) -> str:
    """The report of these answers, by their paths below /v1; `source` names where they come from."""
    modules = {path.relative_to(_ASSETS).as_posix(): path.read_text("utf-8") for path in sorted(_ASSETS.rglob("*.js"))}
    modules[_SERVER] = modules.pop(_ANSWERS)
    imports = {_name(path): _data_url(_renamed(path, text)) for path, text in modules.items()}
    styles = "".join((_ASSETS / name).read_text("utf-8") for name in ("style.css", "parts.css"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>interest-stream</title>
<style>{styles}</style>
<script type="application/json" id="report">{_json({"source": source, "made_ms": made_ms, "answers": answers})}</script>
<script type="importmap">{_json({"imports": imports})}</script>
<script type="module">import "{_name("report.js")}";</script>
</head>
<body class="report">
<main id="main"><noscript>This report needs JavaScript.</noscript></main>
</body>
</html>
"""


def _name(path: str) -> str:
    return f"page/{path}"


def _renamed(path: str, text: str) -> str:
    """The module with names in place of relative paths."""
    return _IMPORT.sub(lambda match: f'{match[1]}"{_name(normpath(join(dirname(path), match[2])))}"', text)


def _data_url(text: str) -> str:
    return f"data:text/javascript;base64,{b64encode(text.encode()).decode()}"


def _json(value: object) -> str:
    """JSON that cannot end the script that holds it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
