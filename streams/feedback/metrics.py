"""Metrics and health of a process of policies."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from streams.feedback.step import PartitionStep
from streams.monitoring.health import HealthStatus, StallClock
from streams.policy.known_policies import KnownPolicies
from streams.settings.settings import Settings


class PolicyMetrics:
    """Updated by the loop alone; any thread may read. Also its HealthChecks."""

    def __init__(self, settings: Settings, policies: KnownPolicies, registry: CollectorRegistry | None = None) -> None:
        """The metrics are in this registry, or in none."""
        self._timeout_s = settings.monitoring.live_timeout_s
        self._policies = policies
        self._clock = StallClock()
        self._rounds = 0
        self._is_member = self._is_open = False

        def gauge(name: str, help_text: str) -> Gauge:
            return Gauge(name, help_text, registry=registry)

        def counter(name: str, help_text: str) -> Counter:
            return Counter(name, help_text, registry=registry)

        self._assigned = gauge("interest_policy_partitions", "Partitions that this process has.")
        self._learns = gauge("interest_policy_learns", "Whether this process learns for all.")
        self._waiting = gauge("interest_waiting_decisions", "Decisions that wait for feedback.")
        self._made = counter("interest_answered_requests", "Decisions for decision-requests.")
        self._refused = counter("interest_refused_requests", "Requests that went to the dead letters.")
        self._decisions = counter("interest_joined_decisions", "Decisions whose feedback is waited for.")
        self._feedback = counter("interest_feedback_events", "Events that named a decision.")
        self._repeated = counter("interest_repeated_feedback", "Events that named a decision and came before.")
        self._unmatched = counter("interest_unmatched_feedback", "Events that named none that waits with their item.")
        self._rewards = counter("interest_rewards", "Rewards that were written.")
        self._learnt = counter("interest_learnt_rewards", "Rewards that policies have learnt from.")
        self._left_out = counter("interest_guarded_places", "Places that the guard took out of learning.")
        self._unusable = counter("interest_unusable_rewards", "Rewards without the features that policies need.")
        self._version = Gauge("interest_policy_version", "Batches learnt, as published.", ["policy"], registry=registry)
        self.rewards = self.decisions = 0
        """Since the start"""

    def assigned(self, partitions: int) -> None:
        """The group has given so many partitions."""
        self._is_member, self._is_open = True, False
        self._assigned.set(partitions)
        self._learns.set(0)

    def opened(self, waiting: int, learns: bool) -> None:
        """They are restored, with so many decisions that wait."""
        self._is_open = True
        self._waiting.set(waiting)
        self._learns.set(learns)

    def add_round(self) -> None:
        """The loop has gone on."""
        self._rounds += 1
        for name, version in self._policies.versions().items():
            self._version.labels(name).set(version)

    def add_learnt(self, rewards: int, left_out: int, unusable: int) -> None:
        """Rewards were learnt from."""
        self._learnt.inc(rewards)
        self._left_out.inc(left_out)
        self._unusable.inc(unusable)

    def add(self, step: PartitionStep) -> None:
        """What one partition's records became is committed."""
        counts = step.counts
        self.rewards += counts.rewards
        self.decisions += counts.decisions
        self._made.inc(len(step.decisions))
        self._refused.inc(len(step.letters))
        self._decisions.inc(counts.decisions)
        self._feedback.inc(counts.feedback)
        self._unmatched.inc(counts.unmatched)
        self._repeated.inc(counts.repeated)
        self._rewards.inc(counts.rewards)
        self._waiting.inc(counts.decisions - counts.rewards - counts.erased)

    def live(self) -> HealthStatus:
        """Whether the loop goes on."""
        stalled_s = self._clock.stalled_s(self._rounds, waiting=self._is_open)
        if stalled_s > self._timeout_s:
            return HealthStatus(False, f"nothing was read or written for {stalled_s:.0f} s")
        return HealthStatus(True, "reading" if self._is_open else "waiting for partitions")

    def ready(self) -> HealthStatus:
        """Whether it has joined its group and restored what it was given."""
        if not self._is_member:
            return HealthStatus(False, "not in the group yet")
        return HealthStatus(True, "reading") if self._is_open else HealthStatus(False, "opening its partitions")
