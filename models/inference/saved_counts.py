"""What a checkpoint has of an engine besides its weights: counts, gate, mean reviews, times of items, heads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.inference.horizon_model import HorizonModel
from models.inference.stream_counts import Arrays, StreamCounts
from models.items.vocabulary import ItemVocabulary

_REVIEWS = "reviews."
_LAST_SEEN = "last-seen"
_HORIZONS = "horizons."


def save_counts(
    counts: StreamCounts, items: ItemVocabulary, horizons: HorizonModel | None = None
) -> dict[str, NDArray[Any]]:
    """Copies of the arrays by name."""
    heads = {} if horizons is None else horizons.state()
    reviews = {} if items.content is None else items.content.state()
    last_seen = {_LAST_SEEN: items.register.last_seen_ms(np.arange(len(items) + 1))}
    state = counts.state() | {_REVIEWS + name: array for name, array in reviews.items()} | last_seen
    return state | {_HORIZONS + name: array for name, array in heads.items()}


def restore_counts(
    counts: StreamCounts,
    items: ItemVocabulary,
    saved: Arrays,
    registered: int | None,
    horizons: HorizonModel | None = None,
) -> None:
    """Go on from `save_counts`, of so many registrations (None: all); slots that changed hands since begin anew.

    WeightsError where it does not fit.
    """
    state, register = dict(saved), items.register
    heads = {name.removeprefix(_HORIZONS): state.pop(name) for name in saved if name.startswith(_HORIZONS)}
    if horizons is not None and heads:
        horizons.restore(heads)
    counts.follow(register)  # else the next step would begin anew what comes now
    _, taken_over = register.taken_over(register.count if registered is None else registered)
    reviews = {name.removeprefix(_REVIEWS): state.pop(name) for name in saved if name.startswith(_REVIEWS)}
    if items.content is not None and reviews:
        kept = np.flatnonzero(~np.isin(reviews["item"], taken_over))
        items.content.restore({name: array[kept] for name, array in reviews.items()})
    last_seen = state.pop(_LAST_SEEN, np.zeros(0, np.int64))
    kept = np.setdiff1d(np.arange(len(last_seen)), taken_over)
    register.put_last_seen(kept, last_seen[kept])
    counts.restore(state)
    counts.forget(taken_over)
