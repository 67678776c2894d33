"""Counts of the lines that were not used, by reason."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class LeftOut:
    """How many lines were left out for each reason, and where the first of them is."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    """By reason: where, and what was wrong there"""

    def add(self, reason: str, where: str, message: str = "") -> None:
        """One more line."""
        if reason not in self.counts:
            self.counts[reason] = 0
            self.first[reason] = f"{where}: {message}" if message else where
        self.counts[reason] += 1

    @property
    def total(self) -> int:
        """Lines of all reasons."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """One line of text for each reason, the most frequent first."""
        reasons = sorted(self.counts, key=self.counts.__getitem__, reverse=True)
        return [f"{self.counts[reason]:,}x {reason}; first {self.first[reason]}" for reason in reasons]
