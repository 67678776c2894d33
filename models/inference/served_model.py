"""The network of one version of the weights, and what it makes of the events of a batch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.config import ModelConfig
from models.data.events import EventBatch
from models.data.timeline import Timeline
from models.data.user_profile import stored_profiles
from models.errors import WeightsError
from models.experts.candidates import Candidates
from models.experts.mixture import PredictionContexts
from models.inference.predictions import ModelVersion
from models.items.register import ItemRegister
from models.items.vocabulary import ItemVocabulary
from models.network.feature_tensors import FeatureTensors
from models.network.interest_network import InterestNetwork
from models.network.item_embeddings import ItemEmbeddings
from models.network.recurrence import load_states
from models.network.weights import Weights
from models.transfers import to_device


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A network in inference mode, with its table of item embeddings."""

    version: ModelVersion
    network: InterestNetwork
    embeddings: ItemEmbeddings

    @classmethod
    def of(
        cls, config: ModelConfig, device: torch.device, items: ItemVocabulary, weights: Weights | None = None
    ) -> "ServedModel":
        """Copy the weights to the device; without any, the initial ones. WeightsError where they do not fit."""
        network = InterestNetwork(config)
        if weights is not None:
            network.load(weights)
        dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
        network = network.to(device, dtype).requires_grad_(False).eval()
        version = ModelVersion(network.lineage, 0 if weights is None else weights.version)
        registered = None if weights is None else weights.registered
        registered = items.register.count if registered is None else registered
        return cls(version, network, ItemEmbeddings(network, items.content, registered))

    @property
    def item_table(self) -> Tensor:
        """[num_items, D] the item embeddings E' as of the last `refresh`."""
        return self.embeddings.weight

    def refresh(self, known: int, register: ItemRegister) -> None:
        """Catch up with the vocabulary, whose largest index is `known`, and with the items' content."""
        self.network.grow(known + 1)
        self.embeddings.follow(register)
        self.embeddings.refresh()

    @torch.inference_mode()
    def put(
        self,
        version: ModelVersion,
        shared: Mapping[str, NDArray[Any]],
        item: NDArray[np.int64],
        embedding: Tensor,
        bias: Tensor,
    ) -> "ServedModel":
        """The same network with these weights, in place; `embedding` [n, D] is E' of the items.

        WeightsError where they do not fit; then nothing changed.
        """
        parameters = dict(self.network.named_parameters())
        self.network.grow(int(item.max(initial=0)) + 1)
        fits = not len(item) or (embedding.shape, bias.shape) == ((len(item), self.item_table.shape[1]), (len(item),))
        differing = [name for name, array in shared.items() if parameters[name].shape != array.shape]
        if differing or not fits:
            raise WeightsError(
                f"weights of version {version} are those of another network: {differing or 'item tables'}"
            )
        self.network.lineage = version.lineage
        for name, array in shared.items():
            parameters[name].copy_(torch.from_numpy(array))
        if not len(item):
            return replace(self, version=version)
        self.embeddings.put(item, embedding)
        biases = self.network.item_bias
        biases[torch.from_numpy(item).to(biases.device)] = bias.to(biases.device, biases.dtype)
        return replace(self, version=version)

    def contexts_after(
        self,
        timeline: Timeline,
        h: Tensor,
        user: NDArray[np.int64],
        event_number: NDArray[np.int64],
        seen: NDArray[np.uint8] | None,
        candidates: Candidates,
        known: int,
        profile: NDArray[np.float32] | None = None,
    ) -> PredictionContexts:
        """Contexts right after these events of these users [P], from the states h [P, H] there.

        `profile` [P, F]: what is known of the users; None where nothing is.
        """
        windows = timeline.windows(user, event_number)
        inputs = self.network.embed(self.item_table, FeatureTensors.of(windows.features, h.device))  # [P, K, D]
        added = self.network.profile_inputs(profile)  # [P, D]
        output = self.network.step(h, inputs, windows, candidates.repeatable(windows.item, known), added)
        attention, copied = output.attention.nan_to_num(nan=0.0), output.copied.nan_to_num(nan=0.0)
        return PredictionContexts(replace(output, attention=attention, copied=copied), windows, event_number + 1, seen)

    def contexts_now(self, rows: NDArray[np.void], candidates: Candidates, known: int) -> PredictionContexts:
        """Contexts as of these rows [U], whose states must be finite; of users without events too."""
        timeline = Timeline(EventBatch(*(np.zeros(0, np.int64) for _ in range(4))), rows)
        user, seen = np.arange(len(rows)), rows["seen"] if "seen" in (rows.dtype.names or ()) else None
        h = load_states(self.network, rows, "h", user)[:, -self.network.config.hidden_size :]
        number, profile = timeline.events_before - 1, stored_profiles(rows)
        return self.contexts_after(timeline, h, user, number, seen, candidates, known, profile)

    def contexts_before(
        self,
        timeline: Timeline,
        h: Tensor,
        event: NDArray[np.int64],
        seen: NDArray[np.uint8] | None,
        candidates: Candidates,
        known: int,
        events_before: NDArray[np.int64] | None = None,
    ) -> PredictionContexts:
        """Contexts right before these events [P] of the batch; h [n, H] are the states after each event.

        `events_before` [P]: how many the user had, where the row does not hold that.
        """
        user = timeline.batch.user[event]
        first = np.flatnonzero(timeline.position[event] == 0)
        before_index, first_index = to_device([np.maximum(event - 1, 0), first], h.device)
        h_before = h[before_index]  # [P, H]
        stored_h = load_states(self.network, timeline.rows, "h", user[first])[:, -h.shape[1] :]  # of the last layer
        h_before[first_index] = stored_h
        number = timeline.event_number[event] - 1
        profile = timeline.profiles(event)
        contexts = self.contexts_after(timeline, h_before, user, number, seen, candidates, known, profile)
        return contexts if events_before is None else replace(contexts, event_counts=events_before)
