"""What the API's routes work with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streams.settings.settings import Settings
from streams.web.decisions import Decisions
from streams.web.following.follower import Follower
from streams.web.following.hub import Hub
from streams.web.http.access import Access
from streams.web.metrics import WebMetrics
from streams.web.record_sender import RecordSender
from streams.web.truths import Truth
from streams.web.view.view import View


@dataclass(frozen=True, slots=True)
class Services:
    """Made once, before the first request."""

    settings: Settings
    access: Access
    view: View
    follower: Follower
    hub: Hub
    sender: RecordSender
    decision_sender: RecordSender
    decisions: Decisions
    metrics: WebMetrics
    truths: Mapping[str, Truth] = field(default_factory=dict)
    """By user; of a demo's users alone"""
