"""The thread that trains online beside the step loop, within its share of the time.

It decides when to take an optimizer step, when to publish the weights to the engine and when to save them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.network.weights import Weights
from models.training.online import OnlineLearner
from streams.settings.sections import WorkerSettings

log = logging.getLogger(__name__)

_IDLE_S = 0.02
_MAX_WAIT_S = 0.5
_PUBLISH_INTERVAL_S = 0.25
# Behind a backlog predictions are late already: catching up goes before learning.
_BACKLOG_SHARE = 0.25


class LearnerThread:
    """Trains, publishes and saves. When events come faster than it trains, it drops some; it never blocks a step."""

    def __init__(
        self,
        learner: OnlineLearner,
        publish: Callable[[Weights], None],
        save: Callable[[Weights], object],
        settings: WorkerSettings,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._learner = learner
        self._publish = publish
        self._save = save
        self._share = settings.learning_share
        self._save_interval_s = settings.checkpoint_interval_s
        self._on_error = on_error
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="learning", daemon=True)
        self._last_step_s = self._last_publish_s = self._last_save_s = 0.0  # monotonic clock
        self._unpublished = self._unsaved = self._refused = False
        self.behind_backlog = False
        """Set while full micro-batches wait: learning then gets a quarter of its share."""
        self.optimizer_steps = 0
        self.skipped_steps = 0
        self._left_out = self._reported = 0.0

    def start(self, weights: Weights | None) -> None:
        """Publish these weights, or untrained ones, and start the thread from them."""
        if weights is not None:
            self._learner.restore(weights)
        self._publish(self._learner.weights())
        self._thread.start()

    def observe(self, rows: NDArray[np.void], new_events: NDArray[np.int64]) -> None:
        """Queue the last `new_events` [U] of each row's events for training."""
        self._learner.observe(rows, new_events)

    def take_left_out(self) -> float:
        """`TrainStepResult.left_out` of all steps since the last call."""
        reported, self._reported = self._reported, self._left_out
        return self._reported - reported

    def stop(self) -> None:
        """End the thread; the weights are then saved."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._last_save_s = time.monotonic()
            while not self._stopping.is_set():
                self._stopping.wait(self._train_step())
                self._publish_if_due()
                if time.monotonic() - self._last_save_s > self._save_interval_s:
                    self._save_if_new()
            self._save_if_new()
        except Exception as error:
            self._on_error(error)

    def _train_step(self) -> float:
        """Take at most one optimizer step; seconds to pause after it."""
        started = time.monotonic()
        # A small step costs as much as a full one: what does not fill one waits, but not for ever.
        if not self._learner.ready and started - self._last_step_s < _MAX_WAIT_S:
            return _IDLE_S
        result = self._learner.train_step()
        self._last_step_s = time.monotonic()
        if result is None:
            return _IDLE_S
        self._left_out += result.left_out
        if result.skipped:
            self.skipped_steps += 1
            if not self._refused:
                log.warning("loss or gradient of an optimizer step was not finite: skipped, its events are not learnt")
        else:
            self.optimizer_steps += 1
            self._unpublished = self._unsaved = True
        self._refused = result.skipped
        share = self._share * (_BACKLOG_SHARE if self.behind_backlog else 1)
        return (self._last_step_s - started) * (1 - share) / share

    def _save_if_new(self) -> None:
        """Save what was learnt since the last time; not while steps are refused, perhaps because of the weights."""
        if self._unsaved and not self._refused:
            self._save(self._learner.state())
            self._last_save_s, self._unsaved = time.monotonic(), False

    def _publish_if_due(self) -> None:
        """Publish new weights, but no more often than every quarter of a second: each time copies them."""
        now = time.monotonic()
        if self._unpublished and now - self._last_publish_s > _PUBLISH_INTERVAL_S:
            self._publish(self._learner.weights())
            self._last_publish_s, self._unpublished = now, False
