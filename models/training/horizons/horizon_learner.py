"""Training of the heads that look further than the next event, from committed rows alone.

Every few hours of the stream's time, some users of a panel (data/user_panel.py) are asked about: the model predicts
when they return, from their newest row and their silence. Once the stream's time has passed a horizon, its label is due
(data/horizon_queries.py): the hazard learns from the interval that passed, with an event in it or without (censored),
and the mixture with counts takes the label in. So no label reaches the model before its time.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import LearnerConfig, ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.horizons.activity import RECENCY_FEATURES, STATE_FEATURES, value_of_bucket
from models.data.horizons.horizon_days import DAY_S, HORIZON_DAYS, HORIZON_S
from models.data.horizons.horizon_queries import NOT_RETURNED, Queries, WaitingQueries
from models.data.horizons.interest_queries import InterestQueries
from models.data.horizons.user_panel import UserPanel
from models.data.new_events import NewestEvents
from models.data.user_row import user_row_fields
from models.device import compute_device
from models.experts.horizons.interest_gate import COMPONENTS, INTEREST_FEATURES
from models.experts.horizons.return_mixture import RETURN_EXPERTS
from models.inference.horizon_model import HorizonModel
from models.network.heads.return_time import bucket_shares, event_share, return_loss

ASK_INTERVAL_S: Final = DAY_S / 4
"""Of the stream's time, from asking some users to asking others"""

_MAX_INTERVALS: Final = 16
"""Where events are rare, as many questions at once as there are such intervals between them, up to this"""
_MAX_JUMP_S: Final = DAY_S
"""Events further ahead of all others than this do not move the clock: one wrong date must make no label due"""
# Log-loss of the hazard alone on the days of `python -m bench horizons --choose` with 2 048 labels kept and no dropout,
# with 16 384, and with dropout of .5: cdnow .234, .230, .230; wikipedia .539, .540, .538; ml-100k .358, .358, .342.
_LR: Final = 1e-3
_BATCH: Final = 256
_MAX_BATCHES: Final = 4
"""Of due labels in one training step; the others wait"""
_INTEREST_QUERIES: Final = 32
"""Users of those who were active within the longest horizon, whose interest is asked about at a time"""
_MAX_DUE: Final = 16_384
"""Labels of each horizon that wait for a step"""
_KEPT_LABELS: Final = 16_384
"""Newest labels of each horizon, from which the hazard learns again"""
_DROPOUT: Final = 0.5
"""Of the state in training the hazard: what the row counts tells more"""


_PREFIX, _PANEL, _WAITING, _INTEREST, _CLOCK = "horizons/", "panel.", "waiting.", "interest.", "clock"


class HorizonLearner:
    """Trains its own copy of the parameters, in one thread at a time."""

    def __init__(self, config: ModelConfig, learner: LearnerConfig) -> None:
        self._device = compute_device(config)
        self.model = HorizonModel(config, self._device)
        """With the newest parameters"""
        self.changed = False
        """Whether they changed since this was set to False"""
        self._panel = UserPanel(learner.panel_users, np.dtype(user_row_fields(config)))
        self._questions = learner.panel_queries
        inputs = self.model.heads.inputs
        sizes = inputs, RECENCY_FEATURES, len(RETURN_EXPERTS)
        self._waiting, none = WaitingQueries(*sizes), Queries.none(*sizes)
        self.interest = InterestQueries()
        """Of users whose interest is to be learnt; whoever can score items puts parts of labels in"""
        self._due = [none for _ in HORIZON_DAYS]
        self._labels = [none for _ in HORIZON_DAYS]
        self._optimizer = torch.optim.Adam(self.model.heads.parameters(), _LR)
        self._random = np.random.default_rng(config.seed)
        self._clock_ms = self._asked_ms = 0

    @property
    def clock_ms(self) -> int:
        """The stream's time."""
        return self._clock_ms

    @property
    def due_labels(self) -> int:
        """Labels that have come due and are not learnt yet."""
        return sum(map(len, self._due))

    def observe(self, rows: NDArray[np.void], new_events: NDArray[np.int64], users: NDArray[np.uint32]) -> None:
        """Take the newest rows [U] of these users with `new_events` [U]: time passes, labels come due."""
        is_new = np.flatnonzero(new_events > 0)
        if not len(is_new):
            return
        rows, new_events, users = rows[is_new], new_events[is_new], users[is_new]
        newest = NewestEvents.of(rows, new_events)
        values = value_of_bucket(newest.value)
        self._waiting.note_events(users[newest.row], newest.time_ms, newest.type, values)
        clock_ms = self._time_after(rows["last_time_ms"])
        self._panel.put(users, rows)
        self._clock_ms = clock_ms
        if not self._asked_ms:
            self._asked_ms = clock_ms
        intervals = (clock_ms - self._asked_ms) / (ASK_INTERVAL_S * 1000)
        if intervals >= 1:
            self._asked_ms = clock_ms
            self._take_due()
            self._ask(min(int(intervals), _MAX_INTERVALS))

    def train_step(self) -> int:
        """Learn from labels that have come due, at most 1024 of each horizon; from how many."""
        taken = 0
        for number in range(len(HORIZON_DAYS)):
            due = self._due[number][: _BATCH * _MAX_BATCHES]
            if not len(due):
                continue
            taken += len(due)
            self._due[number] = self._due[number][len(due) :]
            for low in range(0, len(due), _BATCH):
                self._learn(number, due[low : low + _BATCH])
            self._labels[number] = Queries.concatenate([self._labels[number], due])[-_KEPT_LABELS:]
            recency, logits = due.recency.astype(np.float64), due.logits[:, number].astype(np.float64)
            self.model.mixture.fit(number, recency, logits, due.return_s != NOT_RETURNED)
            spent = due.spent[:, number].astype(np.float64)
            self.model.events.fit(number, recency, logits[:, 0], due.types[:, number], spent)
        self.changed |= taken > 0
        return taken

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Drop all that is held of these users. What was learnt from them stays learnt."""
        self._panel.forget_users(users)
        self._waiting.forget_users(users)
        self.interest.forget_users(users)
        for parts in (self._due, self._labels):
            parts[:] = [part[~np.isin(part.user, users)] for part in parts]

    def forget_items(self, gone: NDArray[np.int64]) -> None:
        """Let events of these items be those of no item."""
        if len(gone):
            self._panel.forget_items(gone)
            self.interest.forget_items(gone)

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs beside the parameters, as tensors of a checkpoint; labels that are due are not in it."""
        panel = {f"{_PANEL}{name}": array for name, array in self._panel.state().items()}
        waiting = {f"{_WAITING}{name}": array for name, array in self._waiting.state().items()}
        interest = {f"{_INTEREST}{name}": array for name, array in self.interest.state().items()}
        arrays = panel | waiting | interest | {_CLOCK: np.array([self._clock_ms, self._asked_ms])}
        return {_PREFIX + name: torch.from_numpy(array) for name, array in arrays.items()}

    def begin(self, parameters: Mapping[str, NDArray[Any]], learner: Mapping[str, Tensor]) -> None:
        """Go on from parameters, with a new optimizer, and from `state()` among the tensors of a checkpoint."""
        self.model.restore(parameters)
        self._optimizer = torch.optim.Adam(self.model.heads.parameters(), _LR)
        self.restore(learner)

    def restore(self, learner: Mapping[str, Tensor]) -> None:
        """Go on from `state()` among the tensors of a checkpoint; what is of other settings is left out."""
        state = {k.removeprefix(_PREFIX): v.numpy() for k, v in learner.items() if k.startswith(_PREFIX)}
        if _CLOCK not in state:
            return
        self._panel.restore(state[f"{_PANEL}rows"], state[f"{_PANEL}users"])
        self._waiting.restore({k.removeprefix(_WAITING): v for k, v in state.items() if k.startswith(_WAITING)})
        interest = {k.removeprefix(_INTEREST): v for k, v in state.items() if k.startswith(_INTEREST)}
        self.interest.restore(interest, self._panel.rows.dtype, INTEREST_FEATURES, len(COMPONENTS))
        self._clock_ms, self._asked_ms = map(int, state[_CLOCK])

    def _time_after(self, time_ms: NDArray[np.int64]) -> int:
        """The stream's time after events: the newest one that is not far ahead of the others, nor of this machine.

        A batch may span weeks: each of its events may be somewhat ahead of the one before.
        """
        now_ms = int(time.time() * 1000)
        usual = max(self._clock_ms, min(int(np.median(time_ms)), now_ms))
        ahead = np.sort(time_ms[(time_ms > usual) & (time_ms <= now_ms)])
        is_near = np.diff(ahead, prepend=usual) <= _MAX_JUMP_S * 1000
        near = ahead[: len(ahead) if is_near.all() else int(is_near.argmin())]
        return max(self._clock_ms, int(np.append(time_ms[time_ms <= usual], near).max(initial=0)))

    def _take_due(self) -> None:
        for label in self.interest.take_due(self._clock_ms):
            parts = label.parts
            gate, kind = self.model.interest, label.kind
            gate.learn(kind, label.horizon, parts.features, parts.component_p, parts.weight)
            self.changed = True
        for number, due in enumerate(self._waiting.take_due(self._clock_ms)):
            self._due[number] = Queries.concatenate([self._due[number], due])[-_MAX_DUE:]

    def _ask(self, intervals: int) -> None:
        """Ask about some users of the panel, as of now, so many times as many as after one interval."""
        questions, of_interest = self._questions * intervals, _INTEREST_QUERIES * intervals
        rows, users = self._panel.rows[: len(self._panel)], self._panel.users[: len(self._panel)]
        asked = np.flatnonzero((rows["steps"] > 0) & (rows["last_time_ms"] <= self._clock_ms))
        active = asked[rows["last_time_ms"][asked] > self._clock_ms - 1000 * HORIZON_S[-1]]
        if len(active) > of_interest:
            active = self._random.choice(active, of_interest, replace=False)
        self.interest.add(self._clock_ms, users[active].copy(), rows[active])
        if len(asked) > questions:
            asked = self._random.choice(asked, questions, replace=False)
        if not len(asked):
            return
        silent_s = (self._clock_ms - rows["last_time_ms"][asked]) / 1000
        signals = self.model.signals(rows[asked], silent_s)
        self._waiting.add(
            Queries(
                users[asked],
                np.full(len(asked), self._clock_ms),
                silent_s,
                signals.inputs.astype(np.float16),
                signals.recency.astype(np.float32),
                signals.logits.astype(np.float32),
                np.full(len(asked), NOT_RETURNED),
                np.zeros((len(asked), len(HORIZON_S), len(EVENT_TYPES)), np.bool_),
                np.zeros((len(asked), len(HORIZON_S)), np.float32),
            )
        )

    def _learn(self, horizon: int, due: Queries) -> None:
        """One step of the hazard from the interval between the horizon before and this one, and from earlier ones."""
        parts = [due]
        if (held := len(self._labels[horizon])) > _BATCH:
            parts.append(self._labels[horizon][self._random.integers(0, held, _BATCH)])
        queries = Queries.concatenate(parts)
        begin_s = 0.0 if horizon == 0 else float(HORIZON_S[horizon - 1])
        # Who returned before has an answer already, from the shorter horizon.
        open_ = (queries.return_s == NOT_RETURNED) | (queries.return_s > begin_s)
        if not open_.any():
            return
        queries = queries[open_]
        event_s = np.where(queries.return_s == NOT_RETURNED, np.nan, queries.silent_s + queries.return_s)
        low_s, high_s = queries.silent_s + begin_s, queries.silent_s + HORIZON_S[horizon]
        event_bucket = event_share(low_s, high_s, event_s)
        # Without what lies in the event's own bucket: all that is said of that is that the event came in it.
        before = bucket_shares(low_s, np.where(np.isnan(event_s), high_s, event_s)) * (event_bucket == 0)
        tensors = [torch.from_numpy(array).to(self._device) for array in (before, event_bucket)]
        inputs = queries.inputs.astype(np.float32)
        state = inputs[:, :-STATE_FEATURES]
        state *= (self._random.random(state.shape) >= _DROPOUT) / np.float32(1 - _DROPOUT)
        hazard = self.model.heads.return_time(torch.from_numpy(inputs).to(self._device))
        loss = return_loss(hazard, *tensors).mean()
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        if bool(torch.isfinite(loss)):
            self._optimizer.step()
