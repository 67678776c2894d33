"""`interest-stream train`: from an event log to a checkpoint that workers start from.

The network learns the log pass by pass, all but its last part, which says when to stop. Then the log is replayed as a
stream: what was learnt is counted, and the last part is predicted, scored and learnt as a worker would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from tensorboardX import SummaryWriter

from models import checkpoint
from models.data.event_log import EventLog
from models.errors import TrainingError
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.metrics.rolling import Quality
from models.training import snapshot
from models.training.offline import Epoch, Trainer
from models.training.prequential_replay import PrequentialReplay
from models.training.sequences import UserSequences
from streams.files.event_columns import event_columns
from streams.files.event_logs import LoggedEvent, parse_columns, read_events
from streams.files.item_files import FileItem, read_items
from streams.kafka.reader import read_topic
from streams.settings.settings import Settings

TRAINING_FILE = "training.safetensors"
TENSORBOARD_FOLDER = "tensorboard"
_REPLAY_EVENTS = 1024
_STEP_EVENTS = 32
_LEAST_EVENTS = 100

Told = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """What is trained on."""

    events: EventLog
    users: int
    items: list[str]
    """Ids by index; empty at 0"""
    described: list[FileItem]

    def has_repeats(self) -> bool:
        """Whether anybody has an item twice."""
        item = self.events.item
        pairs = (self.events.user * len(self.items) + item)[item > 0]
        return len(np.unique(pairs)) < len(pairs)

    def vocabulary(self, settings: Settings) -> ItemVocabulary:
        """A new vocabulary of all items, of which nobody has reviewed any yet."""
        items = ItemVocabulary(settings.items.capacity, ItemContent(settings.model))
        for item in self.described:
            items.describe(item.item_id, item.title, item.categories)
        for item_id in self.items[1:]:
            items.add(item_id)
        return items


def read_log(
    files: Sequence[Path], items_file: Path | None, columns: str | None, skip_bad: bool, registered: Sequence[str] = ()
) -> tuple[TrainingLog, int]:
    """The events of all files in order of time, with items numbered on from those registered; and the bad lines."""
    logged: list[LoggedEvent] = []
    bad = 0
    for file in files:
        log = read_events(file, parse_columns(columns), skip_bad)
        logged += log.events
        bad += log.bad_lines
    logged.sort(key=lambda event: event.time_ms)
    users: dict[str, int] = {}
    items = {item_id: index for index, item_id in enumerate(["", *registered])}
    events = event_columns(logged, users, items)
    return TrainingLog(events, len(users), list(items), read_items(items_file) if items_file else []), bad


async def registered_items(settings: Settings) -> list[str]:
    """Ids in the order of the item register at the broker."""
    records = read_topic(settings.kafka.bootstrap_servers, settings.topics.item_index)
    return list(dict.fromkeys([(record.key or b"").decode() async for record in records]))


def train(
    settings: Settings,
    console: Console,
    log: TrainingLog,
    folder: Path,
    resume: bool = False,
) -> Path:
    """The checkpoint's folder. The training stands in `folder` after every pass, TensorBoard's scalars beside it."""
    if len(log.events) < _LEAST_EVENTS:
        raise TrainingError(f"{len(log.events)} events are too few to learn from: {_LEAST_EVENTS} at least")
    if settings.model.allow_repeats and not log.has_repeats():
        console.print(
            "[yellow]nobody has an item twice:[/] model.allow_repeats=false would fit, here and in the workers"
        )
    trained = int(len(log.events) * (1 - settings.training.held_out_share))
    trainer = _trainer(settings, log, trained)
    file, about = folder / TRAINING_FILE, _about(settings, log)
    if file.exists() and not resume:
        raise TrainingError(f"an unfinished training stands in {file}: go on with --resume, or remove it")
    if resume:
        if not file.exists():
            raise TrainingError(f"there is no unfinished training in {folder}: leave --resume out")
        snapshot.resume(file, trainer, about)
        console.print(f"going on after pass {trainer.progress.epoch}")
    writer = SummaryWriter(str(folder / TENSORBOARD_FOLDER))
    try:
        with _progress(console) as told:
            while not trainer.done:
                epoch = trainer.learn(told(f"pass {trainer.progress.epoch + 1}"))
                _record(writer, epoch)
                console.print(_line(epoch), highlight=False)
                snapshot.save(file, trainer, about)
    except KeyboardInterrupt:
        if trainer.progress.epoch:
            console.print(f"stopped; pass {trainer.progress.epoch} stands in {file}: go on with --resume")
        raise
    finally:
        writer.close()
    path, rank, log_p = _finish(settings, console, log, trainer, trained, folder)
    file.unlink()
    best = trainer.progress
    console.print(f"[green]✓[/] pass {best.best_epoch} of {best.epoch} was the best; {path} is what workers start from")
    if len(rank):
        held_out = Quality.of(rank, log_p)
        console.print(
            f"  held out, each event scored before it was learnt: recall@10 [bold]{held_out.recall_at_10:.4f}[/], MRR "
            f"{held_out.mrr:.4f}, log-loss {held_out.log_loss:.3f} ({len(rank):,} events)",
            highlight=False,
            soft_wrap=True,
        )
    return path


def _trainer(settings: Settings, log: TrainingLog, trained: int) -> Trainer:
    items, grouped = log.vocabulary(settings), log.events.grouped()
    lives = UserSequences(grouped.batch, grouped.order < trained, settings.model, items.content)
    return Trainer(settings.model, settings.training, items, lives)


def _finish(
    settings: Settings, console: Console, log: TrainingLog, trainer: Trainer, trained: int, folder: Path
) -> tuple[Path, NDArray[np.float64], NDArray[np.float64]]:
    """The log replayed as a stream with the trained weights: where it is saved, rank and log p of what was held out."""
    items = log.vocabulary(settings)
    worker = PrequentialReplay(settings.model, settings.learning, items, log.users, settings.predictions.top_items)
    worker.start(trainer.weights())
    rank, log_p = np.zeros((2, len(log.events)))
    total = len(log.events)
    with _progress(console) as told:
        tell = told("replay")
        for low in range(0, trained, _REPLAY_EVENTS):
            worker.replay(log.events[low : min(low + _REPLAY_EVENTS, trained)])
            tell(min(low + _REPLAY_EVENTS, trained), total)
        for low in range(trained, total, _STEP_EVENTS):
            batch = log.events[low : low + _STEP_EVENTS]
            scores = worker.score(batch, int(log.events.item[:low].max()))
            rank[low : low + len(batch)], log_p[low : low + len(batch)] = scores.rank, scores.log_p
            worker.step(batch, learn=True)
            tell(min(low + _STEP_EVENTS, total), total)
    path = checkpoint.save(folder, worker.weights(), settings.model, items, keep=1)
    scored = np.arange(total) >= trained
    scored &= log.events.item > 0
    return path, rank[scored], log_p[scored]


def _about(settings: Settings, log: TrainingLog) -> dict[str, str]:
    """What a training that is taken up again must agree in."""
    events = log.events
    total = int((events.user * 31 + events.item * 17 + events.time_ms).sum())
    stated = {"events": f"{len(events)} ({total & 0xFFFFFFFF:08x})", "items": str(len(log.items) - 1)}
    for section in ("model", "training"):
        chosen = asdict(getattr(settings, section))
        stated |= {f"{section}.{name}": str(value) for name, value in chosen.items()}
    return stated


def _record(writer: SummaryWriter, epoch: Epoch) -> None:
    scalars = {
        "loss/trained": epoch.loss,
        "loss/held_out": epoch.held_out_loss,
        "rate": epoch.rate,
        "events_per_s": epoch.events / epoch.seconds,
        "refused_steps": epoch.refused,
    }
    for name, value in scalars.items():
        writer.add_scalar(name, value, epoch.number)


def _line(epoch: Epoch) -> str:
    verdict = "[green]best so far[/]" if epoch.improved else "no better: back to the best, at a smaller rate"
    return (
        f"pass {epoch.number:>3}  loss {epoch.loss:.4f}  held out {epoch.held_out_loss:.4f}  "
        f"{epoch.events / epoch.seconds:,.0f} events/s  {verdict}"
    )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], Told]]:
    columns = TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        tasks: list[TaskID] = []

        def told(what: str) -> Told:
            for task in tasks:
                progress.update(task, visible=False)
            task = progress.add_task(what, total=None)
            tasks.append(task)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield told
