import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from streams.web.http.problems import add_problem_handlers


class Asked(BaseModel):
    size: int = 3


@pytest.mark.parametrize(
    ("content", "content_type", "status", "detail"),
    [
        (b'{"size": 3}', "application/x-www-form-urlencoded", 415, "send a JSON object as application/json"),
        (b"", None, 415, "send a JSON object as application/json"),
        (b"[]", "application/json", 422, "body: Input should be"),
        (b'{"size": "x"}', "application/json", 422, "body.size: Input should be"),
    ],
)
@pytest.mark.asyncio
async def test_a_body_that_is_no_json_object_is_refused(
    content: bytes, content_type: str | None, status: int, detail: str
) -> None:
    app = FastAPI()
    add_problem_handlers(app)

    @app.post("/asked")
    def asked(body: Asked) -> int:
        return body.size

    headers = {} if content_type is None else {"Content-Type": content_type}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        answer = await client.post("/asked", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)
