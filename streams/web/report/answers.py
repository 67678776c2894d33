"""What a running server answers to all that the report shows."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from models.progress import ProgressCallback
from streams.errors import StreamError

WINDOWS_S: Final = (900, 3_600, 86_400, 604_800)
"""Time spans that the page's audience view offers"""
_TIMEOUT_S: Final = 30.0

Query = Mapping[str, int | str]


class ReportError(StreamError):
    """The server does not answer, or refuses."""


def asked() -> Iterator[str]:
    """Paths below /v1, with their queries as the page's views ask: its assets/report_answers.js looks for these."""
    yield "overview"
    for window_s in (3_600, 86_400):
        yield _path("quality", {"window_s": window_s})
    yield "models"
    yield "experiments"
    yield _path("dead-letters", {"limit": 1})
    yield _path("dead-letters", {"limit": 25})
    yield "schemas"
    yield _path("trending", {"by": "categories", "limit": 100})
    for window_s in WINDOWS_S:
        yield _path("trending/history", {"window_s": window_s, "steps": 60})
        for kind in ("items", "categories"):
            yield _path("trending", {"by": kind, "window_s": window_s, "limit": 12})


def ask_server(url: str, token: str, on_progress: ProgressCallback) -> dict[str, Any]:
    """Each answer by its path. Raises ReportError."""
    paths = list(asked())
    answers = {}
    for number, path in enumerate(paths):
        on_progress(number, len(paths))
        answers[path] = get_answer(url.rstrip("/"), path, token)
    for experiment in answers["experiments"]["experiments"][:1]:  # the one that the page shows
        path = f"experiments/{quote(experiment['name'], safe='')}"
        answers[path] = get_answer(url.rstrip("/"), path, token)
    on_progress(len(paths), len(paths))
    return answers


def _path(path: str, query: Query) -> str:
    """With the query in the order of its names."""
    return f"{path}?{urlencode(sorted(query.items()))}"


def get_answer(url: str, path: str, token: str) -> Any:
    """The server's answer at this path below /v1. Raises ReportError."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(f"{url}/v1/{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise ReportError(
                f"{url} asks for a read token: set INTEREST_WEB__READ_TOKEN, or …_FILE to a file that holds it"
            ) from error
        raise ReportError(f"{url}/v1/{path} answers {error.code}: {_detail(error)}") from error
    except (OSError, ValueError) as error:
        raise ReportError(
            f"no server of this project answers at {url} ({error}): start `interest-stream web`, or name another with "
            "--url"
        ) from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return error.reason
