"""A report as text; tests/integration/test_web_page.py reads one in a browser."""

import json
import re
from base64 import b64decode

from streams.web.report.page import report_page

ANSWERS = {"overview": {"title": "</script><script>alert(1)</script>"}}


def imports(page: str) -> dict[str, str]:
    """Module texts by name."""
    import_map = re.search(r'<script type="importmap">(.*?)</script>', page)
    assert import_map
    urls = json.loads(import_map[1])["imports"]
    return {name: b64decode(url.partition("base64,")[2]).decode() for name, url in urls.items()}


def test_texts_of_records_cannot_end_the_script_that_holds_them() -> None:
    page = report_page(ANSWERS, "http://127.0.0.1:8080", 0)
    data = re.search(r'<script type="application/json" id="report">(.*?)</script>', page)
    assert data
    assert json.loads(data[1])["answers"] == ANSWERS
    assert page.count("<script") == 3


def test_every_import_of_a_module_has_a_name_in_the_map() -> None:
    modules = imports(report_page({}, "", 0))
    named = {name for text in modules.values() for name in re.findall(r'(?:from|import) "([^"]+)"', text)}
    assert len(named) > 15
    assert named <= modules.keys()
    assert "fetch(" not in "".join(modules.values())
