"""Decisions of the HTTP server: from its view of a user and the policies that it follows."""

from __future__ import annotations

import time
from uuid import uuid4

from streams.policy.arms import Arms
from streams.policy.decider import UNKNOWN_USER, Decider, Interests
from streams.policy.item_filters import DescribedItem
from streams.policy.known_policies import KnownPolicies
from streams.schema.decisions.decision import Decision, DecisionRequest
from streams.settings.settings import Settings
from streams.web.view.view import View


class Decisions:
    """Made in the event loop: a decision takes a fraction of a millisecond, less than a change of threads."""

    def __init__(self, settings: Settings, view: View) -> None:
        """Raises SettingsError for options that a policy does not have."""
        self.policies = KnownPolicies(settings.policy)
        self.arms = Arms(self.policies, settings.policy.recipe)
        self._decider = Decider(settings.policy)
        self._view = view

    def decide(self, request: DecisionRequest) -> Decision | None:
        """A decision with an id of its own; None where servers of another recipe decide for the user."""
        if (chosen := self.arms.choose(request)) is None:
            return None
        policy, assignment = chosen
        row = self._view.users.get(request.user_id)
        interests = (
            UNKNOWN_USER
            if row is None
            else Interests(row.items, row.item_p, row.categories, row.category_p, row.model_version, row.prediction_id)
        )
        offered = interests.items if request.candidates is None else request.candidates
        described = self._view.catalog.describe(offered)
        catalog = {
            item_id: DescribedItem(item.categories, item.price, item.stock, item.published_s)
            for item_id, item in described.items()
        }
        return self._decider.decide(
            uuid4().hex, request, interests, catalog, policy, assignment, int(time.time() * 1000)
        )
