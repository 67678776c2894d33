"""Models of a group: the one in use as the releases have it, its checkpoints, and the candidates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from streams.errors import ReleaseError
from streams.releases.follower import ReleaseFollower
from streams.releases.release import Release
from streams.settings.settings import Settings
from streams.trainer.checkpoint_store import CANDIDATES, CheckpointStore


@dataclass(frozen=True, slots=True)
class ReleasedModel:
    """The newest complete release."""

    release: Release
    manifest: Mapping[str, Any]

    @property
    def version(self) -> str:
        """As predictions name it."""
        return model_version(self.manifest)


@dataclass(frozen=True, slots=True)
class Models:
    """All models that are there."""

    released: ReleasedModel | None = None
    checkpoints: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # manifests by name, newest first
    candidates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    trained: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def model_version(manifest: Mapping[str, Any]) -> str:
    """Of the weights, as predictions name it; from the manifest of a release or a checkpoint."""
    return f"{manifest.get('lineage', 0):08x}.{manifest['version']}"


async def read_released(settings: Settings) -> ReleasedModel | None:
    """The model that workers follow; None where there is none. Raises ReleaseError, KafkaError."""
    follower = ReleaseFollower(settings.kafka, settings.topics.model_releases)
    try:
        release = await follower.start()
    finally:
        await follower.stop()
    if release is None:
        if follower.fault is not None:
            raise ReleaseError(f"{settings.topics.model_releases} holds no complete model: {follower.fault}")
        return None
    return ReleasedModel(release, msgspec.json.decode(release.manifest))


async def read_models(settings: Settings) -> Models:
    """All models. Raises StoreError, ReleaseError, KafkaError."""
    store = CheckpointStore(settings.checkpoint_url)
    return Models(
        await read_released(settings),
        store.manifests(),
        store.manifests(CANDIDATES),
        CheckpointStore(str(settings.trainer.trained_dir)).manifests(),
    )


def print_models(console: Console, models: Models) -> None:
    """One line for each model, that in use first."""
    table = Table("model", "", "items", "where", "recall@10", box=None, pad_edge=False)
    if (released := models.released) is not None:
        manifest, quality = released.manifest, released.manifest.get("quality") or {}
        place = f"release {released.release.number} of {_time(released.release.written_ms)}"
        table.add_row(released.version, "in use", f"{manifest['items']:,}", place, _number(quality.get("recall_at_10")))
        if trial := manifest.get("trial"):
            table.add_row(trial["model"], "trial", "", _trial(trial), "")
    for what, manifests in (
        ("candidate", models.candidates),
        ("checkpoint", models.checkpoints),
        ("trained", models.trained),
    ):
        for name, manifest in manifests.items():
            table.add_row(model_version(manifest), what, f"{manifest['items']['count']:,}", name, "")
    if not table.row_count:
        console.print("no model yet: workers and their trainer make one of the events that they get")
        return
    console.print(table)


def print_released(console: Console, model: ReleasedModel) -> None:
    """What the model in use has learnt, and what its release holds."""
    release, manifest = model.release, model.manifest
    console.print(
        f"[bold]{model.version}[/] release {release.number}, {_time(release.written_ms)}, by {release.writer}"
    )
    for line in _lines(release, manifest):
        console.print(f"  {line}", highlight=False, soft_wrap=True)


def _lines(release: Release, manifest: Mapping[str, Any]) -> Iterator[str]:
    yield f"{manifest['items']:,} items, {manifest['counted_events']:,} events counted"
    offsets = ", ".join(f"{partition}: {offset}" for partition, offset in sorted(release.covered.offsets.items()))
    yield f"changelog read up to {offsets or 'its beginning'}"
    sizes: Counter[str] = Counter()
    for key, part in release.parts.items():
        sizes[key.partition("/")[0]] += len(part)
    parts = ", ".join(f"{kind} {size:,}" for kind, size in sorted(sizes.items()))
    yield f"{sum(sizes.values()):,} bytes: {parts}"
    if trial := manifest.get("trial"):
        yield f"candidate {trial['model']} {_trial(trial)}"
    quality = manifest.get("quality") or {}
    if scored := quality.get("scored"):
        yield (
            f"of the last {scored:.0f} scored events: recall@10 {_number(quality.get('recall_at_10'))} "
            f"({_number(quality.get('popular_recall_at_10'))} decayed popularity), "
            f"MRR {_number(quality.get('mrr'))}, log-loss {_number(quality.get('log_loss'))}"
        )


def _trial(trial: Mapping[str, Any]) -> str:
    return (
        f"{trial['state']} over {trial['scored']} events: log-probability {trial['gain']:+.3f}, recall@10 "
        f"{_number(trial['recall_at_10'])} against {_number(trial['current_recall_at_10'])}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _time(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
