"""How a worker process lives and dies: signals, deadlines, exit codes.

Exit codes: 0 told to stop, 70 an error that nobody here can handle. Nothing of an unfinished step is ever visible, so
that leaving at once is always safe.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from aiokafka import AIOKafkaClient
from aiokafka.errors import KafkaError

log = logging.getLogger(__name__)

EX_SOFTWARE = 70
# Longer than a step's transaction takes, shorter than what an orchestrator grants before it kills.
STOP_DEADLINE_S = 8.0
_RETRY_S = 1.0
_REMIND_S = 10.0


def leave(code: int) -> NoReturn:
    """The process ends at once; what it logged is written."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def die(error: BaseException) -> NoReturn:
    """The process ends with 70 and the error's message; its traceback too where the error is not one of ours."""
    ours = type(error).__module__.partition(".")[0] in ("streams", "state", "models")
    log.critical("stopping: %s", error if ours else repr(error), exc_info=None if ours else error)
    leave(EX_SOFTWARE)


def stop_requested() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set; some seconds after it the process ends, finished or not."""
    requested = asyncio.Event()

    def request(name: str) -> None:
        if requested.is_set():
            return
        log.info("%s: finishing the step in work", name)
        requested.set()
        # A thread's timer: it fires even where the event loop is stuck.
        deadline = threading.Timer(STOP_DEADLINE_S, _stop_at_deadline)
        deadline.daemon = True
        deadline.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request, number.name)
    return requested


def _stop_at_deadline() -> None:
    log.warning("not finished after %.0f s: leaving at once, nothing of the step is visible", STOP_DEADLINE_S)
    leave(0)


async def broker_reachable(bootstrap_servers: str) -> None:
    """Returns once a broker answers; until then says every some seconds that it waits."""
    waited_s = 0.0
    while True:
        client = AIOKafkaClient(bootstrap_servers=bootstrap_servers)
        try:
            await client.bootstrap()
            return
        except KafkaError:
            if waited_s % _REMIND_S == 0:
                log.warning("waiting for a Kafka broker at %s (kafka.bootstrap_servers)", bootstrap_servers)
        finally:
            await client.close()
        await asyncio.sleep(_RETRY_S)
        waited_s += _RETRY_S
