"""Asks a process of this machine for its health; `python -m streams.monitoring.probe PORT live|ready` for containers.

Standard library alone: an image has no other client, and a check every few seconds must start fast.
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import Any, Final, Literal, NamedTuple

_TIMEOUT_S: Final = 5.0


class Answer(NamedTuple):
    """What a process says."""

    ok: bool
    reason: str


def ask(port: int, check: Literal["live", "ready"]) -> Answer:
    """The answer of /health/…; not ok where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)  # no proxy, as urllib would take
    try:
        connection.request("GET", f"/health/{check}")
        with connection.getresponse() as response:
            body: dict[str, Any] = json.loads(response.read())
            return Answer(response.status == http.HTTPStatus.OK, str(body.get("reason", body.get("detail", ""))))
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Answer(False, f"no answer from port {port}: {error!r}")
    finally:
        connection.close()


if __name__ == "__main__":
    answer = ask(int(sys.argv[1]), "live" if sys.argv[2] == "live" else "ready")
    print(answer.reason)
    sys.exit(not answer.ok)
