"""The learner's thread: keeps learning from the stream, within its share of the time.

Knows when to learn, when to hand the weights over and when to save them; knows nothing of how learning works.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.data.events import EventBatch
from models.network.weights import Weights
from models.training.online import OnlineLearner
from streams.settings.sections import WorkerSettings

log = logging.getLogger(__name__)

_IDLE_S = 0.02
_PATIENCE_S = 0.5
_PUBLISH_S = 0.25
# Behind a backlog predictions are late already: catching up goes before learning.
_BACKLOG_SHARE = 0.25


class LearnerThread:
    """Learns, publishes and saves beside the steps; a full backlog costs it events, never the steps their time."""

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
        self._learnt = self._published = 0.0  # when, by the monotonic clock
        self._unpublished = self._unsaved = False
        self.behind_backlog = False
        """Set while full steps wait: learning then keeps to a quarter of its share."""
        self.steps = 0
        self.refused = 0

    def start(self, weights: Weights | None) -> None:
        """The thread learns on from these weights, or from nothing."""
        if weights is not None:
            self._learner.restore(weights)
        self._publish(self._learner.weights())
        self._thread.start()

    def observe(self, batch: EventBatch, memory: NDArray[np.void]) -> None:
        """The events wait to be learnt; `memory` holds their users' rows after the batch."""
        self._learner.observe(batch, memory)

    def stop(self) -> None:
        """The thread has ended and the weights are saved."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            saved = time.monotonic()
            while not self._stopping.is_set():
                self._stopping.wait(self._learn())
                self._hand_over()
                if time.monotonic() - saved > self._save_interval_s and self._unsaved:
                    self._save(self._learner.weights())
                    saved, self._unsaved = time.monotonic(), False
            if self._unsaved:
                self._save(self._learner.weights())
        except Exception as error:
            self._on_error(error)

    def _learn(self) -> float:
        """Seconds to rest after at most one step of learning."""
        began = time.monotonic()
        # A small step costs as much as a full one: what does not fill one waits, but not for ever.
        if not self._learner.ready and began - self._learnt < _PATIENCE_S:
            return _IDLE_S
        learnt = self._learner.learn()
        self._learnt = time.monotonic()
        if learnt is None:
            return _IDLE_S
        if learnt.refused:
            self.refused += 1
            log.warning("a step of learning was not finite: refused, the weights are those before it")
        else:
            self.steps += 1
            self._unpublished = self._unsaved = True
        share = self._share * (_BACKLOG_SHARE if self.behind_backlog else 1)
        return (self._learnt - began) * (1 - share) / share

    def _hand_over(self) -> None:
        """The steps' weights are the newest, but copied no more often than is worth it."""
        now = time.monotonic()
        if self._unpublished and now - self._published > _PUBLISH_S:
            self._publish(self._learner.weights())
            self._published, self._unpublished = now, False
