"""The live page: files of the folder `page`, read once at start, so that no path of a request reaches the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from streams.web.http.answers import entity_tag, is_known
from streams.web.http.problems import Problem

FOLDER: Final = Path(__file__).parents[1] / "page"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_INDEX: Final = "index.html"


def page_routes(folder: Path = FOLDER) -> APIRouter:
    """`/` and the files of the folder by their paths in it."""
    files = {
        path.relative_to(folder).as_posix(): (path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _TYPES
    }
    tags = {name: entity_tag(content) for name, (content, _) in files.items()}
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def file(request: Request, path: str) -> Response:
        name = path or _INDEX
        if name not in files:
            raise Problem(404, "there is nothing at this path")
        content, media_type = files[name]
        headers = {"ETag": tags[name], "Cache-Control": "no-cache"}
        if is_known(request, tags[name]):
            return Response(status_code=304, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return router
