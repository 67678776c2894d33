"""Each test runs a process of its own: the functions tested end it."""

import os
import signal
import subprocess
import sys
from textwrap import indent

import pytest

PROGRAM = """
import asyncio, logging, time
from state.errors import StoreError
from streams.errors import StreamError
from streams.worker.process import lifecycle
logging.basicConfig(level=logging.INFO)
lifecycle.STOP_DEADLINE_S = {deadline}
async def run():
    stop = lifecycle.stop_event()
    print("ready", flush=True)
{body}
asyncio.run(run())
"""

RAISE_AND_EXIT = """
try:
    raise {error}
except Exception as error:
    lifecycle.exit_with_error(error)
"""


def started(body: str, deadline: float = 5.0) -> "subprocess.Popen[str]":
    program = PROGRAM.format(body=indent(body.strip(), "    "), deadline=deadline)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def output(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    with process.stdout as stream:
        text = stream.read()
    process.wait(timeout=60)
    return text


def test_a_signal_asks_for_the_end() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = started("await stop.wait(); print('finished')")
        process.send_signal(number)
        out = output(process)
        assert (process.returncode, "finished" in out) == (0, True)


def test_a_stuck_event_loop_is_left_at_the_deadline() -> None:
    process = started("await stop.wait(); time.sleep(3600)", deadline=0.3)
    os.kill(process.pid, signal.SIGTERM)
    out = output(process)
    assert process.returncode == 0
    assert "exiting at once" in out


@pytest.mark.parametrize("error", ["StreamError('do this')", "StoreError('do this')"])
def test_an_error_of_ours_ends_the_process_with_its_message_alone(error: str) -> None:
    process = started(RAISE_AND_EXIT.format(error=error))
    out = output(process)
    assert process.returncode == 70
    assert "stopping: do this" in out
    assert "Traceback" not in out


def test_any_other_error_ends_the_process_with_its_traceback() -> None:
    process = started(RAISE_AND_EXIT.format(error="OSError('disk full')"))
    out = output(process)
    assert process.returncode == 70
    assert "stopping: OSError('disk full')" in out
    assert "Traceback" in out
    assert ", in run\n" in out
