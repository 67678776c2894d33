"""From a user's prediction and a policy to a decision. Knows no topics and no stores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.policy.policy import Policy
from models.policy.slate import Candidates
from streams.policy.exposures import Exposures
from streams.policy.features import (
    CATEGORY_BUCKETS,
    all_categories,
    first_categories,
    item_features,
    item_index,
    known_categories,
    user_context,
)
from streams.policy.item_filters import DescribedItem, ItemFilters, filtered
from streams.policy.known_policies import compares_all_categories, is_fresh
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.settings.policy_section import PolicySettings

_LEAST_PROPENSITY: Final = 1e-9
_ROUNDING: Final = 1e-3
_MOST_LOGGED_CHARACTERS: Final = 100_000
"""Of ids of candidates that are not shown: with longer ones a decision could not be written"""


@dataclass(frozen=True, slots=True)
class Interests:
    """What is known of a user: the distribution of the newest prediction; empty for a user without any."""

    items: Sequence[str] = ()
    item_p: Sequence[float] = ()
    categories: Sequence[str] = ()
    category_p: Sequence[float] = ()
    model_version: str | None = None
    prediction_id: str | None = None


UNKNOWN_USER: Final = Interests()


def _checked(interests: Interests) -> Interests:
    """The same, or those of an unknown user where another program has written something else than a distribution."""
    probabilities = (*interests.item_p, *interests.category_p)
    same_lengths = len(interests.items) == len(interests.item_p) and len(interests.categories) == len(
        interests.category_p
    )
    return interests if same_lengths and all(-_ROUNDING <= p <= 1 + _ROUNDING for p in probabilities) else UNKNOWN_USER


@dataclass(frozen=True, slots=True)
class Assignment:
    """Experiment and arm that a decision is part of; empty: none."""

    experiment: str = ""
    arm: str = ""


class Decider:
    """Makes decisions; not to be used by two threads at once."""

    def __init__(self, settings: PolicySettings, random: np.random.Generator | None = None) -> None:
        self._settings = settings
        self._log_candidates = settings.log_candidates
        self._random = np.random.default_rng() if random is None else random
        self._filters = ItemFilters.of_settings(settings)
        self._exposures = Exposures(settings.examined)

    def decide(
        self,
        decision_id: str,
        request: DecisionRequest,
        interests: Interests,
        catalog: Mapping[str, DescribedItem],
        policy: Policy,
        assignment: Assignment,
        now_ms: int,
    ) -> Decision:
        """A slate of up to the places that were asked for; empty, with the reason, where there is no candidate.

        Candidates are those of the request, else the items of the prediction, as far as all filters let them pass.
        """
        interests = _checked(interests)
        offered = interests.items if request.candidates is None else request.candidates
        filters = self._filters, ItemFilters.of_request(request)
        items, ruled_out = filtered(offered, catalog, filters, now_ms / 1000)
        categories_of = {item_id: catalog[item_id].categories for item_id in items if item_id in catalog}
        context = user_context(interests.categories, interests.category_p)
        slate: list[str] = []
        propensities: list[float] = []
        shown: list[int] = []
        item_p = dict(zip(interests.items, interests.item_p, strict=True))
        interest = [item_p.get(item_id, 0.0) for item_id in items]
        features: list[tuple[float, ...]] = []
        if items:
            names, category = first_categories(items, categories_of)
            known = known_categories(names, category)
            category_p = dict(zip(interests.categories, interests.category_p, strict=True))
            exposures = np.where(known < 0, 0, self._exposures.of(request.user_id)[category % CATEGORY_BUCKETS])
            features = [
                item_features(p, category_p.get(name, 0.0), item_id in item_p, exposure)
                for item_id, p, name, exposure in zip(items, interest, names, exposures.tolist(), strict=True)
            ]
            indices = np.array([item_index(item_id, self._settings.item_buckets) for item_id in items], np.int64)
            chosen = policy.act(
                Candidates(
                    indices,
                    np.array(interest),
                    np.array(features),
                    np.array(context),
                    category,
                    is_fresh(policy, indices, self._settings),
                    all_categories(items, categories_of) if compares_all_categories(policy) else None,
                ),
                request.size,
                self._random,
            )
            shown = chosen.chosen.tolist()
            slate = [items[position] for position in shown]
            self._exposures.add(request.user_id, known[chosen.chosen])
            propensities = [min(1.0, max(p, _LEAST_PROPENSITY)) for p in chosen.propensities.tolist()]
        others = sorted(set(range(len(items))) - set(shown)) if len(items) <= self._log_candidates else []
        if sum(len(items[position]) for position in others) > _MOST_LOGGED_CHARACTERS:
            others = []
        return Decision(
            decision_id=decision_id,
            user_id=request.user_id,
            time=now_ms,
            slate=tuple(slate),
            propensities=tuple(propensities),
            policy=policy.name,
            policy_version=policy.version,
            model_version=interests.model_version,
            prediction_id=interests.prediction_id,
            experiment=assignment.experiment,
            arm=assignment.arm,
            candidates=len(items),
            ruled_out=ruled_out,
            empty_because="" if items else _why_empty(request, ruled_out),
            interest=tuple(interest[position] for position in shown),
            features=tuple(features[position] for position in shown),
            context=context,
            other_items=tuple(items[position] for position in others),
            other_interest=tuple(interest[position] for position in others),
            other_features=tuple(features[position] for position in others),
            request_id=request.request_id,
        )

    def forget(self, user_id: str) -> None:
        """What was shown to the user, who is erased."""
        self._exposures.forget(user_id)


def _why_empty(request: DecisionRequest, ruled_out: Mapping[str, int]) -> str:
    if ruled_out:
        return "ruled_out"
    return "unknown_user" if request.candidates is None else "no_candidates"
