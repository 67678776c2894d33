"""A worker under `faust.Worker` that ends as its input says; what it sees goes to standard output as JSON lines.

Run as `python -m tests.contracts.programs.ending_worker BROKER APP_ID TOPIC`.
"""

import json
import os
import sys
from typing import Any

import faust
from faust.worker import Worker

BROKER, APP_ID, TOPIC = sys.argv[1:]

app = faust.App(
    APP_ID,
    broker=f"kafka://{BROKER}",
    consumer_auto_offset_reset="earliest",
    datadir="faust",
    stream_wait_empty=False,
    topic_disable_leader=True,
    web_enabled=False,
    worker_redirect_stdouts=False,
)


@app.agent(app.topic(TOPIC, value_serializer="raw"))
async def end(stream: Any) -> None:
    async for value in stream.noack():
        print(json.dumps(["end", value.decode()]), flush=True)
        if value == b"sys.exit":
            sys.exit(3)
        if value == b"os._exit":
            os._exit(70)


if __name__ == "__main__":
    Worker(app, loglevel="INFO").execute_from_commandline()
