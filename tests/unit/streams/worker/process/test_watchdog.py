"""The watchdog's monitor, with timeouts of a fraction of a second."""

import threading
import time

from streams.errors import StepTimeoutError
from streams.worker.process.watchdog import Watchdog


def test_a_stage_that_does_not_return_is_reported_from_outside() -> None:
    errors: list[BaseException] = []
    reported = threading.Event()

    def on_timeout(error: BaseException) -> None:
        errors.append(error)
        reported.set()

    watchdog = Watchdog(0.1, on_timeout)
    watchdog.start()
    with watchdog.watch("model"):
        assert reported.wait(30)
    (error,) = errors
    assert isinstance(error, StepTimeoutError)
    assert "'model'" in str(error)
    assert "worker.step_timeout_s" in str(error)


def test_short_stages_and_pauses_are_not_added_up() -> None:
    errors: list[BaseException] = []
    watchdog = Watchdog(1.0, errors.append)
    watchdog.start()
    for _ in range(15):
        with watchdog.watch("model"):
            time.sleep(0.05)
        time.sleep(0.05)
    watchdog.stop()
    assert errors == []
