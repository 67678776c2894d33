import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_row import user_row_fields
from models.inference.engine import Engine
from models.items.vocabulary import ItemVocabulary
from models.network.weights import Weights
from models.training.online import OnlineLearner
from state.rows import RowLayout
from streams.settings.sections import WorkerSettings
from streams.worker.learning.learner_thread import LearnerThread

MODEL = ModelConfig(embedding_dim=8, hidden_size=8, history_length=8, allow_repeats=False)


class Recorder:
    def __init__(self) -> None:
        self.published: list[Weights] = []
        self.saved: list[Weights] = []
        self.errors: list[BaseException] = []
        items = ItemVocabulary(100)
        for number in range(20):
            items.add(f"i{number}")
        self.learner = OnlineLearner(MODEL, LearnerConfig(events_per_step=8), items)
        self.engine = Engine(MODEL, items)

    def thread(self, share: float = 1.0) -> LearnerThread:
        settings = WorkerSettings(learning_share=share)
        return LearnerThread(
            self.learner, self.published.append, self.saved.append, settings, on_error=self.errors.append
        )

    def observe(self, thread: LearnerThread, events: int = 8, items: int = 19) -> None:
        rng = np.random.default_rng(0)
        batch = EventBatch(
            np.zeros(events, np.int64),
            rng.integers(1, items + 1, events),
            np.ones(events, np.int64),
            np.arange(events, dtype=np.int64) * 1000,
        )
        rows = RowLayout(user_row_fields(MODEL)).new(1)
        step = self.engine.step(batch, rows)
        thread.observe(step.rows, step.new_events)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # polled: the thread has nothing else to wait on


def test_observed_events_are_trained_on_and_the_weights_published_and_saved_at_the_end(recorder: Recorder) -> None:
    thread = recorder.thread()
    thread.start(None)
    recorder.observe(thread)
    wait_for(lambda: len(recorder.published) > 1)
    thread.stop()
    assert not recorder.errors
    assert [w.version for w in recorder.published] == sorted({w.version for w in recorder.published})
    assert recorder.saved[-1].version == recorder.published[-1].version
    assert recorder.saved[-1].learner
    assert not any(weights.learner for weights in recorder.published)


def test_training_continues_from_the_given_weights(recorder: Recorder) -> None:
    before = Weights(41, Recorder().learner.weights().tensors)
    thread = recorder.thread()
    thread.start(before)
    thread.stop()
    assert recorder.published[0].version == 41
    assert not recorder.saved  # no step was taken: what is on disk is as new


@pytest.mark.parametrize(
    ("share", "behind_backlog", "pause_factor"), [(0.25, False, 3), (0.5, False, 1), (0.5, True, 7)]
)
def test_the_pause_after_a_step_keeps_the_learning_share(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, share: float, behind_backlog: bool, pause_factor: int
) -> None:
    thread = recorder.thread(share)
    thread.behind_backlog = behind_backlog
    recorder.observe(thread)
    # Two seconds for the step, by a clock that no other process slows down.
    monkeypatch.setattr(
        "streams.worker.learning.learner_thread.time", SimpleNamespace(monotonic=iter([100.0, 102.0]).__next__)
    )
    pause_s = thread._train_step()
    assert thread.optimizer_steps == 1
    assert pause_s == pytest.approx(pause_factor * 2)


def test_weights_whose_steps_are_refused_are_not_saved_and_one_line_says_so(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    thread = recorder.thread()
    recorder.observe(thread)
    thread._train_step()
    good = recorder.learner.weights()
    tensors = {name: tensor.clone() for name, tensor in good.tensors.items()}
    tensors["item"][:] = 3e38
    recorder.learner.restore(Weights(good.version, tensors))
    for _ in range(3):
        recorder.observe(thread)
        thread._train_step()
    thread._save_if_new()
    assert (thread.optimizer_steps, thread.skipped_steps) == (1, 3)
    assert not recorder.saved
    assert len(caplog.records) == 1
    recorder.learner.restore(good)
    recorder.observe(thread)
    thread._train_step()
    thread._save_if_new()
    assert [weights.version for weights in recorder.saved] == [good.version + 1]


def test_what_is_left_out_of_a_flood_is_reported_once(recorder: Recorder) -> None:
    """Eight random views a second apart are too few; eight of one item are six more than may be."""
    thread = recorder.thread()
    recorder.observe(thread)
    thread._train_step()
    assert thread.take_left_out() == 0
    recorder.observe(thread, items=1)
    thread._train_step()
    assert thread.take_left_out() == pytest.approx(8 * (1 - (2 / 8) ** 3))
    assert thread.take_left_out() == 0


def test_an_error_ends_the_thread_and_is_reported(recorder: Recorder) -> None:
    raised = threading.Event()

    def publish(_: Weights) -> None:
        if raised.is_set():
            raise OSError("disk full")
        raised.set()

    thread = LearnerThread(
        recorder.learner, publish, recorder.saved.append, WorkerSettings(learning_share=1.0), recorder.errors.append
    )
    thread.start(None)
    recorder.observe(thread)
    wait_for(lambda: recorder.errors)
    assert str(recorder.errors[0]) == "disk full"
