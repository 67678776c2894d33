"""Interest over a horizon: which items and categories the events to come have, by the model and by simpler guesses.

For users who come back, at the times that are scored. The label is soft: all of a user's events within the horizon,
alike. Items that nobody had had by then are left out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.horizons.logs import HorizonLog
from models.data.event_log import EventLog
from models.data.horizons.horizon_days import DAY_S, HORIZON_DAYS
from models.experts.horizons.interest_components import InterestComponents
from models.experts.horizons.interest_gate import COMPONENTS, KINDS
from models.inference.horizon_model import HorizonModel
from models.inference.interest_scoring import interest_features
from models.training.prequential_replay import PrequentialReplay

Floats = NDArray[np.float64]

SCORERS: Final = ("model", "next_event", "decayed_profile", "popularity")
DAYS: Final = (7, 30)
_USERS: Final = 150
"""At each time, at most"""
_BLOCK_USERS: Final = 50
_TOP: Final = {"item": 10, "category": 3}
_OWN_SHARE: Final = 0.9
"""Of the profile, beside popularity: what a user never had may come, too"""
_PRIOR: Final = 0.5
_MIN_P: Final = 1e-6


class InterestMeasurement:
    """Sums over users, for each horizon, kind and scorer."""

    def __init__(self, log: HorizonLog, seed: int = 0) -> None:
        self._log = log
        self._random = np.random.default_rng(seed)
        self._last_ms = int(log.events.time_ms[-1])
        self._sums: dict[tuple[int, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])

    def ask(self, replay: PrequentialReplay, time_ms: int) -> None:
        """Score the users who come back, with what the model knows at this time."""
        events, horizons = self._log.events, replay.engine.horizons
        known = int(np.searchsorted(events.time_ms, time_ms, side="right"))
        known_items = int(events.item[:known].max(initial=0))
        if horizons is None or not known_items:
            return
        for days in DAYS:
            end_ms = time_ms + days * DAY_S * 1000
            if end_ms > self._last_ms:
                continue
            end = int(np.searchsorted(events.time_ms, end_ms, side="right"))
            coming = events[known:end]
            coming = coming[np.flatnonzero((coming.item > 0) & (coming.item <= known_items))]
            users = np.intersect1d(coming.user, events.user[:known])
            users = self._random.permutation(users)[:_USERS]
            since = int(np.searchsorted(events.time_ms, time_ms - days * DAY_S * 1000))
            counted = np.bincount(events.item[since:known], minlength=known_items + 1)[: known_items + 1]
            popular = counted.astype(np.float64) + _PRIOR
            for low in range(0, len(users), _BLOCK_USERS):
                self._score(replay, horizons, time_ms, days, users[low : low + _BLOCK_USERS], coming, popular)

    def figures(self) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
        """Means over the users by days, kind and scorer."""
        results: dict[str, Any] = {}
        for (days, kind, scorer), (users, loss, recall) in self._sums.items():
            figures = {
                "log_loss": round(loss / users, 4),
                f"recall_at_{_TOP[kind]}": round(recall / users, 4),
                "users": int(users),
            }
            results.setdefault(str(days), {}).setdefault(kind, {})[scorer] = figures
        return results

    def _score(
        self,
        replay: PrequentialReplay,
        horizons: HorizonModel,
        time_ms: int,
        days: int,
        users: NDArray[np.int64],
        coming: EventLog,
        popular: Floats,
    ) -> None:
        rows, _, blocks = replay.engine.distributions(replay.rows(users))
        silent_s = (time_ms - rows["last_time_ms"]) / 1000
        label = np.zeros((len(users), len(popular)))
        row = np.searchsorted(np.sort(users), coming.user).clip(max=len(users) - 1)
        row = np.argsort(users)[row]
        mine = users[row] == coming.user
        np.add.at(label, (row[mine], coming.item[mine]), 1)
        horizon = HORIZON_DAYS.index(days)
        candidates = replay.engine.candidates
        for block in blocks:
            part = slice(block.rows.start, min(block.rows.stop, len(users)))
            with torch.inference_mode():
                components = InterestComponents(block, rows[part], candidates)
                mask = block.candidate_mask.expand(len(block.p), -1).double().numpy()[:, : len(popular)]
                items = torch.arange(len(popular)).expand(len(block.p), -1)
                item_p = components.of_items(items).double().numpy()  # [p, N + 1, E]
                category_p = components.of_categories().double().numpy().transpose(0, 2, 1)  # [p, C, E]
                matrix = candidates.category_matrix
                categories = (matrix.to_dense() if matrix.is_sparse else matrix).double().numpy()[:, : len(popular)]
            features = interest_features(rows[part], silent_s[part], components.confidence)
            popular_p = popular * mask
            popular_p /= np.maximum(popular_p.sum(1, keepdims=True), 1e-12)
            by_kind = [(item_p, popular_p, label[part])]
            if len(categories):
                columns = categories.shape[1]
                by_kind.append(
                    (category_p, popular_p[:, :columns] @ categories.T, label[part][:, :columns] @ categories.T)
                )
            for kind, (component_p, popularity, came) in enumerate(by_kind):
                shares = horizons.interest.shares(kind, features)[:, horizon]
                profile = component_p[:, :, COMPONENTS.index("recent_profile")]
                predicted = {
                    "model": np.einsum("pne,pe->pn", component_p, shares),
                    "next_event": component_p[:, :, COMPONENTS.index("next")],
                    "decayed_profile": _OWN_SHARE * profile + (1 - _OWN_SHARE) * popularity,
                    "popularity": popularity,
                }
                for scorer in SCORERS:
                    self._add(days, KINDS[kind], scorer, predicted[scorer], came)

    def _add(self, days: int, kind: str, scorer: str, p: Floats, came: Floats) -> None:
        total = came.sum(1)
        rows = np.flatnonzero(total > 0)
        share = came[rows] / total[rows, None]
        loss = -(share * np.log(p[rows].clip(_MIN_P))).sum(1)
        top = np.argsort(-p[rows], axis=1, kind="stable")[:, : _TOP[kind]]
        distinct = came[rows] > 0
        recall = np.take_along_axis(distinct, top, 1).sum(1) / np.minimum(distinct.sum(1), _TOP[kind])
        sums = self._sums[days, kind, scorer]
        sums[0] += len(rows)
        sums[1] += float(loss.sum())
        sums[2] += float(recall.sum())
