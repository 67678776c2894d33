"""A Faust app inside the test's own event loop, on a real broker, as the worker runs its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import faust

from tests.contracts.cluster import Cluster, until


def new_app(cluster: Cluster, **settings: Any) -> faust.App:
    """An app that has touched nothing yet; what differs from Faust's defaults only makes it quick and quiet."""
    defaults: dict[str, Any] = {
        "broker_commit_interval": 0.1,
        "broker_heartbeat_interval": 0.1,
        "broker_session_timeout": 6.0,
        "consumer_auto_offset_reset": "earliest",
        "stream_wait_empty": False,
        "table_standby_replicas": 0,
        "topic_disable_leader": True,
        "value_serializer": "json",
        "web_enabled": False,
    }
    broker = f"kafka://{cluster.bootstrap_servers}"
    return faust.App(cluster.name("app"), broker=broker, loop=asyncio.get_event_loop(), **(defaults | settings))


@asynccontextmanager
async def running(app: faust.App) -> AsyncIterator[Any]:
    """The started app with its partitions, or crashed before it had them; gives its consumer."""
    app.finalize()
    await app.start()
    try:
        await until(lambda: app.crashed or (app.consumer_generation_id and not app.rebalancing))
        yield app.consumer
    finally:
        await asyncio.wait_for(app.stop(), 120)
