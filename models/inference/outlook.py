"""Outlook of users: what they will do within the next day, week and month, as of a stored row and a silence.

    outlook = engine.outlook(rows, silent_s)          # rows [U], silent_s [U]: seconds since each user's last event
    outlook.return_p[:, 2]                            # P(any event within 30 days from now)

It needs `model.horizons = true`, in the trainer as well: the heads are trained there and come with its releases. Rows
are read, not changed; users may be asked about at any time, which is what finds those who fall silent.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.horizons.activity import Activity
from models.data.timeline import Timeline
from models.data.user_state import Windows
from models.experts.candidates import Candidates
from models.experts.horizons.interest_tops import InterestTops
from models.experts.mixture import MixtureBlock
from models.inference.horizon_model import HorizonModel
from models.inference.interest_scoring import interest_features
from models.inference.predictions import Outlook
from models.inference.topk import TopSizes
from models.transfers import to_device, to_host


class BlockOutlook:
    """An outlook that is made of blocks of distributions while they are read for something else."""

    def __init__(
        self,
        horizons: HorizonModel,
        rows: NDArray[np.void],
        silent_s: NDArray[np.float64],
        windows: Windows,
        candidates: Candidates,
        sizes: TopSizes,
        row_of: NDArray[np.int64] | None = None,
    ) -> None:
        """Of rows [U], whose last events are the windows' [U].

        `row_of` [P] is that of each distribution of the blocks, rising, -1 where it is of none (None: P = U, in order).
        """
        features, filters = windows.features, "seen" in (rows.dtype.names or ())
        self._tops = InterestTops(
            candidates, horizons.popular, features.item * windows.valid, sizes.items, sizes.categories, filters
        )
        self._gate, self._sizes, self._rows, self._silent_s = horizons.interest, sizes, rows, silent_s
        held = int(windows.valid.sum(1).max(initial=0))  # most users have few events
        activity = Activity.of_history(rows["steps"].astype(np.int64), features.gap[:, :held], features.value[:, :held])
        signals = horizons.signals(rows, silent_s, activity)
        self._return_p, self._forecast = horizons.return_p(signals), horizons.forecast(signals)
        self._row_of = row_of
        self._outlook: Outlook | None = None

    @property
    def outlook(self) -> Outlook:
        """Once all blocks are read."""
        assert self._outlook is not None
        return self._outlook

    def reading(self, blocks: Iterable[MixtureBlock]) -> Iterator[MixtureBlock]:
        """The blocks, each once it is in the outlook."""
        for block in blocks:
            if self._row_of is None:
                self._tops.add(block, None, block.rows)
            else:
                row = self._row_of[block.rows]
                (wanted,) = np.nonzero(row >= 0)
                if len(wanted):
                    self._tops.add(block, wanted, slice(row[wanted[0]], row[wanted[-1]] + 1))
            yield block
        self._outlook = self._mix()

    def row_of(self) -> NDArray[np.int64]:
        """[P] row of the outlook of each distribution; -1 where there is none."""
        return np.arange(len(self._rows)) if self._row_of is None else self._row_of

    def _mix(self) -> Outlook:
        """What all blocks together tell."""
        tops = self._tops
        tops.finish()
        features = interest_features(self._rows, self._silent_s, tops.confidence())
        (shares,) = to_device([self._gate.all_shares(features).astype(np.float32)], tops.device)
        of_items, of_categories = shares.unbind(1)  # by KINDS
        item, item_p, category, category_p = to_host([*tops.items(of_items), *tops.top_categories(of_categories)])
        items, categories = self._sizes.items, self._sizes.categories
        return Outlook(
            self._return_p,
            _padded(item, items, 0),
            _padded(item_p, items, 0),
            _padded(category, categories, -1),
            _padded(category_p, categories, 0),
            type_p=self._forecast[0],
            spent=self._forecast[1],
        )


def _padded(array: NDArray[Any], width: int, padding: int) -> NDArray[Any]:
    """[U, H, width] of an array [U, H, m] that may be narrower."""
    missing = width - array.shape[2]
    return array if not missing else np.pad(array, ((0, 0), (0, 0), (0, missing)), constant_values=padding)


def outlook_of(
    horizons: HorizonModel,
    rows: NDArray[np.void],
    silent_s: NDArray[np.float64],
    windows: Windows,
    blocks: Iterable[MixtureBlock],
    candidates: Candidates,
    sizes: TopSizes,
) -> Outlook:
    """The outlook of rows [U], from their last events and the distributions of each one's next event in blocks."""
    outlook = BlockOutlook(horizons, rows, silent_s, windows, candidates, sizes)
    for _ in outlook.reading(blocks):
        pass
    return outlook.outlook


def outlook_after(
    horizons: HorizonModel | None,
    after: NDArray[np.void],
    timeline: Timeline,
    event: NDArray[np.int64],
    windows: Windows,
    candidates: Candidates,
    sizes: TopSizes,
) -> BlockOutlook | None:
    """Of the users right after their last events of a batch, each of which is among the predicted ones [P].

    `windows` [P] are those of the predictions. None without `horizons`.
    """
    if horizons is None:
        return None
    last, row_of = timeline.last_events(), None
    rows = after if len(last) == len(after) else after[timeline.batch.user[last]]
    if len(last) < len(event):
        context, row_of = np.searchsorted(event, last), np.full(len(event), -1)
        row_of[context] = np.arange(len(last))
        windows = Windows(windows.features[context], windows.valid[context])
    return BlockOutlook(horizons, rows, np.zeros(len(last)), windows, candidates, sizes, row_of)
