"""Each in a process of its own: what is tested ends it."""

import os
import signal
import subprocess
import sys
import time

SLEEPER = """
import asyncio, logging
from streams.worker import process
logging.basicConfig(level=logging.INFO)
process.STOP_DEADLINE_S = {deadline}
async def run():
    stop = process.stop_requested()
    print("ready", flush=True)
    {body}
asyncio.run(run())
"""


def started(body: str, deadline: float = 5.0) -> "subprocess.Popen[str]":
    program = SLEEPER.format(body=body, deadline=deadline)
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
    process.wait(timeout=10)
    return text


def test_a_signal_asks_for_the_end() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = started("await stop.wait(); print('finished')")
        process.send_signal(number)
        out = output(process)
        assert (process.returncode, "finished" in out) == (0, True)


def test_a_stuck_event_loop_is_left_at_the_deadline() -> None:
    began = time.monotonic()
    process = started("await stop.wait(); import time; time.sleep(60)", deadline=0.3)
    os.kill(process.pid, signal.SIGTERM)
    out = output(process)
    assert process.returncode == 0
    assert time.monotonic() - began < 10
    assert "leaving at once" in out


def test_an_error_ends_the_process_with_70_and_its_message() -> None:
    for error, traced in (("StreamError('do this')", False), ("OSError('do this')", True)):
        process = started(f"from streams.errors import StreamError; process.die({error})")
        out = output(process)
        assert process.returncode == 70
        assert "do this" in out
        assert ("Traceback" in out) is False  # nothing was raised: there is no traceback to show
        assert traced == ("OSError(" in out)
