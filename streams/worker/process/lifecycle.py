"""Start and end of a worker process: signals, deadlines, exit codes.

Exit codes: 0 after SIGTERM or SIGINT, 70 after an error that nobody here can handle. Nothing of an unfinished
micro-batch is ever visible, so that ending the process at once is always safe.
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

from streams.kafka.client.client_options import client_options
from streams.kafka.client.connection import check_connection
from streams.log_levels import TRANSIENT
from streams.os_errors import check_open_files, os_error_cure
from streams.settings.sections import KafkaSettings

log = logging.getLogger(__name__)

EX_SOFTWARE = 70
# Longer than a step's transaction takes, shorter than what an orchestrator grants before it kills.
STOP_DEADLINE_S = 8.0
_RETRY_S = 1.0
_REMIND_S = 10.0


def exit_process(code: int) -> NoReturn:
    """Ends the process at once, after flushing its logs and output."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def exit_with_error(error: BaseException) -> NoReturn:
    """Logs the error, with its traceback where it is not one of this program's, and ends the process with 70."""
    is_known = type(error).__module__.partition(".")[0] in ("streams", "state", "models")
    cure = os_error_cure(error) if isinstance(error, OSError) else str(error) if is_known else None
    log.critical("stopping: %s", repr(error) if cure is None else cure, exc_info=error if cure is None else None)
    exit_process(EX_SOFTWARE)


def stop_event() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set. STOP_DEADLINE_S later the process ends, finished or not."""
    requested = asyncio.Event()

    def request(name: str) -> None:
        if requested.is_set():
            return
        log.info("%s: finishing the step in work", name)
        requested.set()
        # A timer in a thread fires even where the event loop is blocked.
        deadline = threading.Timer(STOP_DEADLINE_S, _stop_at_deadline)
        deadline.daemon = True
        deadline.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request, number.name)
    return requested


def _stop_at_deadline() -> None:
    log.warning("not finished after %.0f s: exiting at once, nothing of the step is visible", STOP_DEADLINE_S)
    exit_process(0)


async def wait_for_broker(kafka: KafkaSettings) -> None:
    """Returns once a broker answers; logs every _REMIND_S that it is waiting.

    Raises KafkaAccessError where a broker answers that the settings do not fit it: waiting would change nothing.
    """
    waited_s = 0.0
    while True:
        client = AIOKafkaClient(**client_options(kafka))
        try:
            await client.bootstrap()
            return
        except KafkaError:
            check_open_files()
            await check_connection(kafka)
            if waited_s % _REMIND_S == 0:
                log.warning(
                    "waiting for a Kafka broker at %s (kafka.bootstrap_servers)",
                    kafka.bootstrap_servers,
                    extra=TRANSIENT,
                )
        finally:
            await client.close()
        await asyncio.sleep(_RETRY_S)
        waited_s += _RETRY_S
