"""The one trainer of a model: learns and counts committed rows of all partitions, and releases what changed."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from math import isfinite
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import LearnerConfig, ModelConfig
from models.data.influence import InfluenceLimits
from models.data.new_events import NewEvents
from models.errors import WeightsError
from models.inference.engine import Engine
from models.inference.predictions import ModelVersion
from models.items.reviews import review_items
from models.items.vocabulary import ItemVocabulary
from models.metrics.rolling import RollingQuality
from models.network.weights import Weights
from models.releases.manifest import Manifest
from models.releases.observed import Observed
from models.releases.pair_part import REGISTERED, pack_pairs
from models.releases.part_arrays import in_blocks
from models.releases.release import LAST_SEEN, Release
from models.releases.waiting_blocks import WaitingBlocks
from models.training.horizons.horizon_trainer import HorizonTrainer
from models.training.online import OnlineLearner
from models.training.train_step import TrainStepResult

PAIR_EVENTS: Final = 4_000

_FEW_ITEMS: Final = 20_000
_ITEMS_PER_PAIR_EVENT: Final = 16
"""Beyond few items, for so many one event more is awaited before pairs are released: 4 000 events touch most blocks of
200 000 items, and an item has 4 KB of pairs"""

_QUALITY_EVENTS: Final = 10_000
"""Scored events between two releases that their quality is the mean of, at most"""


class StreamTrainer:
    """For one thread."""

    def __init__(
        self, config: ModelConfig, learning: LearnerConfig, items: ItemVocabulary, pair_events: int = PAIR_EVENTS
    ) -> None:
        """Pairs of items are released each `pair_events` events; at first sooner, whenever a tenth of all is new.

        Of more than 20 000 items more rarely.
        """
        self._items = items
        self._learner = OnlineLearner(config, learning, items)
        self._engine = Engine(config, items, limits=InfluenceLimits.of(learning))
        self._engine.update(self._learner.weights())
        self._horizons = HorizonTrainer(config, learning, self._engine)
        self._pair_events = pair_events
        self._unpaired: list[NewEvents] = []
        self._registered = items.register.count  # registrations that unpaired events follow
        self._content_version = 0
        self._waiting = WaitingBlocks()
        self._quality = RollingQuality(_QUALITY_EVENTS)

    @property
    def version(self) -> ModelVersion:
        """Of its weights now."""
        return ModelVersion(self._learner.lineage, self._learner.version)

    def begin(self, checkpoint: Weights, counts: Weights | None = None) -> None:
        """Go on from a checkpoint that `train`, a worker or a trainer made; before anything else.

        `counts`: the one that counts and gate come from, where it is another. WeightsError where it does not fit.
        """
        counts = checkpoint if counts is None else counts
        self._learner.restore(checkpoint)
        self._engine.restore(counts.experts, counts.registered)
        self._engine.update(self._learner.weights())
        self._horizons.begin(checkpoint.learner)

    def restore(self, release: Release) -> None:
        """Go on from a complete release, which a trainer of the same settings made; before anything else.

        Its items must be known and described: released embeddings contain their content. The optimizer begins anew,
        until `restore_learner`. WeightsError where it does not fit.
        """
        released, release = release, release.of_present_items(self._items.register)
        if (content := self._items.content) is not None and len(released.reviewed):
            content.restore({"item": released.reviewed, **released.reviews})
            for slot in np.setdiff1d(released.reviewed, release.reviewed).tolist():
                content.put(slot, content.take(slot))  # without reviews, which the next release says
        item = release.item
        embedding, bias = release.item_weights()
        shared = {name: torch.from_numpy(array) for name, array in release.shared.items()}
        self._learner.item_rows(item)  # makes room
        tensors = dict(self._learner.weights().tensors)
        if len(item):
            tensors["item"][item] = embedding - self._content(item, shared)
            tensors["item_bias"][item] = bias
        manifest = release.manifest
        self._learner.restore(
            Weights(manifest.version, tensors | shared, lr_step=manifest.lr_step, lineage=manifest.lineage)
        )
        self._learner.take_changed()  # all rows, which are released already
        self._take_described()
        self._engine.put_weights(manifest.model_version, release.shared, item, embedding, bias)
        counts = self._engine.counts
        counts.put_rows(release.counted, release.counts, release.gate, (), manifest.counted)
        counts.put_pairs(release.paired, release.pairs, ())
        if len(release.counted):
            self._items.register.put_last_seen(release.counted, release.counts[LAST_SEEN])
        for events in release.unpaired:
            counts.count_pairs(events)
        self._horizons.begin({}, release.horizons)
        self._unpaired, self._registered = list(release.unpaired), manifest.items

    def restore_learner(self, checkpoint: Weights) -> None:
        """After `restore`, take what releases lack from a checkpoint: the optimizer's moments, windows to replay.

        It may be some hundred optimizer steps older; then its weights are of no use. WeightsError, and nothing changes,
        where it is of another lineage, newer, or does not fit.
        """
        restored = self._learner.weights()
        if checkpoint.lineage != restored.lineage or checkpoint.version > restored.version:
            raise WeightsError(
                f"a checkpoint of {ModelVersion(checkpoint.lineage, checkpoint.version)} has no optimizer moments for "
                f"{ModelVersion(restored.lineage, restored.version)}: it is newer, or of another training"
            )
        self._learner.restore_learner(checkpoint)
        self._learner.take_changed()  # no row changed
        self._horizons.restore(checkpoint.learner)
        if checkpoint.registered is not None:
            self._horizons.forget_items(self._items.register.taken_over(checkpoint.registered)[1])

    def adopt(self, weights: Weights) -> None:
        """Go on with other weights, of a candidate or of an older checkpoint; counts and gate stay.

        All of them are in the next release. WeightsError, and nothing changes, where they do not fit.
        """
        self._learner.restore(weights)
        self._engine.update(self._learner.weights())

    def checkpoint(self) -> Weights:
        """Everything, as `models.checkpoint` saves it: `begin` and workers go on from it, and `restore_learner`."""
        state = self._learner.state()
        learner = {**state.learner, **self._horizons.state()}
        return replace(state, learner=learner, experts=self._engine.experts())

    def observe(
        self, rows: NDArray[np.void], new_events: NDArray[np.int64], users: NDArray[np.uint32] | None = None
    ) -> Observed:
        """Score some of the last `new_events` [U] of each row's events, count all, and queue them for learning.

        `users` [U]: their numbers, for `forget_users`.
        """
        self._follow_register()
        self._horizons.observe(rows, new_events, users)
        sample, events = self._engine.observe_rows(rows, new_events)
        item = np.unique(events.item)
        self._items.register.put_last_seen(item, np.full(len(item), int(time.time() * 1000)))
        self._learner.observe(rows, new_events, users)
        self._unpaired.append(events)
        if sample is not None:
            self._quality.add(sample)
        held = int(np.minimum(new_events, rows["ring_item"].shape[1]).sum())
        return Observed(held, int(new_events.sum()) - held, sample)

    def forget_users(self, users: NDArray[np.uint32]) -> None:
        """Learn no more from the events of these users that wait, or would be replayed."""
        self._learner.forget_users(users)
        self._horizons.forget_users(users)

    def observe_reviews(self, encoded: bytes) -> int:
        """Add a step's texts about items, as `Reviews.encode` has them, to their content; how many they are.

        WeightsError where they are damaged or of another text encoder, UnknownItemError where an item is not known yet;
        then nothing is added.
        """
        content = self._items.content
        return 0 if content is None else review_items(content, encoded, self._items.register)

    def train_step(self, partial: bool = False) -> TrainStepResult | None:
        """An optimizer step, as `OnlineLearner.train_step`, once enough events wait for it, or any where `partial`."""
        if not partial and not self._learner.ready:
            return None
        self._horizons.train_step()
        return self._learner.train_step()

    def release(self, full: bool) -> Release:
        """What changed since the last release, or everything; the trainer scores with it from now on.

        Of embeddings, those of some blocks (waiting_blocks.py): the others come with one of the next releases.
        """
        shared, weights, counts = self._learner.average.tensors(), self._learner, self._engine.counts
        self._follow_register()
        self._waiting.add(np.concatenate([weights.take_changed(), self._take_described()]))
        item, counted = self._waiting.take(every=full), counts.take_changed()
        known = len(self._items)
        if full:
            item = counted = np.arange(known + 1)
        item, counted = in_blocks(item, known), in_blocks(counted, known)
        embedding, bias = weights.item_rows(item)
        embedding = (embedding + self._content(item, shared)).half()  # scored with as it is released
        paired, reviews = self._take_paired(full), self._take_reviews(full)
        release = Release(
            self._manifest(),
            {name: tensor.numpy() for name, tensor in shared.items()},
            item,
            {"weight": embedding.numpy(), "bias": bias.numpy()},
            counted,
            counts.rows(counted) | {LAST_SEEN: self._items.register.last_seen_ms(counted)},
            counts.gate(),
            paired,
            pack_pairs(counts.pairs(paired) | {REGISTERED: np.full(len(paired), self._registered)}),
            list(self._unpaired),
            reviews.pop("item", np.zeros(0, np.int64)),
            reviews,
            self._horizons.take(full),
        )
        self._engine.put_weights(release.manifest.model_version, release.shared, item, *release.item_weights())
        return release

    def use_learnt(self) -> None:
        """Score with the newest weights from now on, without a release: for a trainer that never makes one."""
        self._horizons.take(full=False)
        self._engine.update(self._learner.weights())
        self._unpaired = []

    def _follow_register(self) -> None:
        """Begin anew with slots that changed hands: what comes now is of the present items."""
        self._learner.follow_register()
        self._engine.counts.follow(self._items.register)
        self._registered, gone = self._items.register.taken_over(self._registered)
        if len(gone):
            self._waiting.add(gone, at_once=True)  # the rows that were released are those of other items
            self._unpaired = [events.without(gone) for events in self._unpaired]
            self._horizons.forget_items(gone)

    def _manifest(self) -> Manifest:
        quality, self._quality = self._quality, RollingQuality(_QUALITY_EVENTS)
        means = asdict(quality.model) | {"popular_recall_at_10": quality.popularity.recall_at_10}
        return Manifest(
            self._learner.lineage,
            self._learner.version,
            self._learner.lr_step,
            *self._engine.counts.counted,
            items=self._registered,
            quality={"scored": quality.scored, **{k: v if isfinite(v) else None for k, v in means.items()}},
        )

    def _take_reviews(self, full: bool) -> dict[str, NDArray[Any]]:
        """Mean reviews that are to be released."""
        content, known = self._items.content, len(self._items)
        if content is None:
            return {}
        reviewed = content.take_reviewed()
        return content.state(None if full else in_blocks(reviewed, known))

    def _take_described(self) -> NDArray[np.int64]:
        """Items whose content changed since the last call."""
        content = self._items.content
        if content is None or not content.refresh():
            return np.zeros(0, np.int64)
        self._content_version, changed = content.changed_since(self._content_version)
        return changed

    def _take_paired(self, full: bool) -> NDArray[np.int64]:
        """Items whose pairs are to be released."""
        unpaired = sum(map(len, self._unpaired))
        interval, known = min(self._pair_events, self._engine.counts.counted.events // 10), len(self._items)
        if not full and unpaired < max(interval, (known - _FEW_ITEMS) // _ITEMS_PER_PAIR_EVENT):
            return np.zeros(0, np.int64)
        self._unpaired = []
        changed = self._engine.counts.take_changed_pairs()
        if full and self._engine.counts.experts is not None:
            changed = np.arange(known + 1)
        return in_blocks(changed, known)

    def _content(self, item: NDArray[np.int64], shared: Mapping[str, Tensor]) -> Tensor:
        """[n, D] or [1, 1] what the content of these items adds to their embeddings."""
        content, projection = self._items.content, shared.get("content.weight")
        if content is None or projection is None or not content.refresh():
            return torch.zeros(1, 1)
        return torch.from_numpy(content.rows(item)) @ projection.T
