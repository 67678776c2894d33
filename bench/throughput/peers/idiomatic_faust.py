"""Faust as in its tutorial: an agent and a table, one event at a time.

Default settings, `app.Table` in RocksDB; a copy of the user's row replaces the model.
"""

from __future__ import annotations

import sys

import faust

from bench.throughput.peers.job import Job
from bench.throughput.peers.meter import Meter, exit_now

job = Job.from_argv()
meter = Meter(job)

app = faust.App(
    job.run,
    broker=[f"kafka://{server}" for server in job.bootstrap_servers.split(",")],
    store="rocksdb://",
    topic_partitions=job.partitions,
    datadir=job.folder,
    web_enabled=False,  # its port may be taken
)


class UserEvent(faust.Record, serializer="json"):
    """An input event."""

    event_id: str
    event_type: str
    user_id: str
    item_id: str
    timestamp: int


class Prediction(faust.Record, serializer="json"):
    """An output prediction."""

    prediction_id: str
    user_id: str
    caused_by: str
    event_time: int
    items: list[str]
    item_p: list[float]
    other_p: float
    categories: list[str]
    category_p: list[float]
    because: list[str]
    because_weight: list[float]
    model_version: str = "m1"
    schema_version: int = 1


user_events = app.topic(job.source, key_type=str, value_type=UserEvent)
predictions = app.topic(job.predictions, key_type=str, value_type=Prediction)
user_rows = app.Table("user_rows", key_type=str, value_type=bytes, default=lambda: bytes(job.row_bytes))


@app.agent(user_events)
async def predict(events: faust.StreamT[UserEvent]) -> None:
    """Copy the user's row and send a prediction for each event."""
    async for event in events:
        row = user_rows[event.user_id]
        user_rows[event.user_id] = bytes(bytearray(row))
        prediction = Prediction(
            prediction_id=f"{event.event_id}:m1",
            user_id=event.user_id,
            caused_by=event.event_id,
            event_time=event.timestamp,
            items=[f"item-{i}" for i in range(10)],
            item_p=[0.05] * 10,
            other_p=0.5,
            categories=[f"category-{i}" for i in range(5)],
            category_p=[0.2] * 5,
            because=[f"item-{i}" for i in range(3)],
            because_weight=[0.3] * 3,
        )
        await predictions.send(key=event.user_id, value=prediction)
        if meter.add_events(1):
            exit_now()


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel", "warn", "--without-web"]
    app.main()
