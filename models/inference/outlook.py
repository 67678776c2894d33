"""Outlook of users: what they will do within the next day, week and month, as of a stored row and a silence.

    outlook = engine.outlook(rows, silent_s)          # rows [U], silent_s [U]: seconds since each user's last event
    outlook.return_p[:, 2]                            # P(any event within 30 days from now)

It needs `model.horizons = true`, in the trainer as well: the heads are trained there and come with its releases. Rows
are read, not changed; users may be asked about at any time, which is what finds those who fall silent.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from models.data.timeline import Timeline
from models.experts.candidates import Candidates
from models.experts.interest_tops import InterestTops
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
        candidates: Candidates,
        sizes: TopSizes,
        context: NDArray[np.int64] | None = None,
    ) -> None:
        """Of rows [U]; `context` [U] is where each one's distribution is among those of the blocks (None: in order)."""
        self._tops = InterestTops(candidates, horizons.popular, rows, sizes.items, sizes.categories)
        self._gate, self._rows, self._silent_s = horizons.interest, rows, silent_s
        signals = horizons.signals(rows, silent_s)
        return_p = horizons.return_p(signals)
        shape = return_p.shape
        context = np.arange(len(rows)) if context is None else context
        self._row = np.full(int(context.max(initial=-1)) + 1, -1)
        self._row[context] = np.arange(len(rows))
        type_p, spent = horizons.forecast(signals)
        self.outlook = Outlook(
            return_p,
            np.zeros((*shape, sizes.items), np.int64),
            np.zeros((*shape, sizes.items), np.float32),
            np.full((*shape, sizes.categories), -1),
            np.zeros((*shape, sizes.categories), np.float32),
            type_p=type_p,
            spent=spent,
        )
        """Complete once all blocks are read"""

    def reading(self, blocks: Iterable[MixtureBlock]) -> Iterator[MixtureBlock]:
        """The blocks, each once it is in the outlook."""
        for block in blocks:
            row = self._row[block.rows]
            (wanted,) = np.nonzero(row >= 0)
            if len(wanted):
                # Users come in the order of their contexts.
                self._tops.add(block, wanted, slice(row[wanted[0]], row[wanted[-1]] + 1))
            yield block
        self._mix()

    def row_of(self, contexts: int) -> NDArray[np.int64]:
        """[P] row of the outlook of each of so many contexts; -1 where there is none."""
        row = np.full(contexts, -1)
        row[: len(self._row)] = self._row[:contexts]
        return row

    def _mix(self) -> None:
        """Fill in what all blocks together tell."""
        outlook, tops = self.outlook, self._tops
        tops.finish()
        features = interest_features(self._rows, self._silent_s, tops.confidence())
        (shares,) = to_device([self._gate.all_shares(features).astype(np.float32)], tops.device)
        of_items, of_categories = shares.unbind(1)  # by KINDS
        arrays = to_host([*tops.items(of_items), *tops.top_categories(of_categories)])
        items, categories = arrays[0].shape[2], arrays[2].shape[2]
        outlook.item[:, :, :items], outlook.item_p[:, :, :items] = arrays[:2]
        outlook.category[:, :, :categories], outlook.category_p[:, :, :categories] = arrays[2:]


def outlook_of(
    horizons: HorizonModel,
    rows: NDArray[np.void],
    silent_s: NDArray[np.float64],
    blocks: Iterable[MixtureBlock],
    candidates: Candidates,
    sizes: TopSizes,
) -> Outlook:
    """The outlook of rows [U], from the distributions of each one's next event in blocks."""
    outlook = BlockOutlook(horizons, rows, silent_s, candidates, sizes)
    for _ in outlook.reading(blocks):
        pass
    return outlook.outlook


def outlook_after(
    horizons: HorizonModel | None,
    after: NDArray[np.void],
    timeline: Timeline,
    event: NDArray[np.int64],
    candidates: Candidates,
    sizes: TopSizes,
) -> BlockOutlook | None:
    """Of the users right after their last events of a batch, each of which is among the predicted ones [P].

    None without `horizons`.
    """
    if horizons is None:
        return None
    last = timeline.last_events()
    rows, context = after[timeline.batch.user[last]], np.searchsorted(event, last)
    return BlockOutlook(horizons, rows, np.zeros(len(last)), candidates, sizes, context)
