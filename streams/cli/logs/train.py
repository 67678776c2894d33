"""`interest-stream train`: from an event log to a checkpoint that workers start from.

The network is trained on the log, all but its last part, which is held out for early stopping. Then the log is replayed
as a stream: the training events are only counted, the held-out ones are predicted, scored and learnt as in a worker.
Of several processes that torchrun started, all read the log and train; the first one prints, saves and replays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain
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
from models.device import require_dtype, set_compute_threads
from models.errors import TrainingError
from models.items.content import ItemContent
from models.items.slots import ItemSlots
from models.items.vocabulary import ItemVocabulary
from models.metrics.rolling import Quality
from models.progress import ProgressCallback
from models.training.offline import snapshot
from models.training.offline.process_group import ProcessGroup, process_group
from models.training.offline.sequences import UserSequences
from models.training.offline.trainer import EpochResult, Trainer
from models.training.prequential_replay import PrequentialReplay
from streams.files.cleaning import NO_RULES, Cleaner, CleaningRules
from streams.files.event_columns import sorted_event_columns
from streams.files.event_logs import no_events, open_events
from streams.files.event_roles import parse_columns
from streams.files.formats.dialect import FormatOptions
from streams.files.formats.log_error import LogError
from streams.files.item_files import FileItem, read_items
from streams.files.left_out import LeftOut
from streams.files.logged_event import LoggedEvent
from streams.files.time_order import in_time_order
from streams.kafka.reader import read_topic
from streams.schema.decoder import BUILT_IN_RULES, SchemaRules
from streams.schema.item_registration import decode_registration
from streams.settings.settings import Settings

TRAINING_FILE = "training.safetensors"
TENSORBOARD_FOLDER = "tensorboard"
_REPLAY_EVENTS = 1024
_BATCH_EVENTS = 32
_MIN_EVENTS = 100


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """Events and items to train on."""

    events: EventLog
    users: int
    items: list[str]
    """Ids by index; empty at 0"""
    catalog: list[FileItem]
    """Items with title and categories"""

    def has_repeats(self) -> bool:
        """Whether any user has an item twice."""
        item = self.events.item
        pairs = (self.events.user * len(self.items) + item)[item > 0]
        return len(np.unique(pairs)) < len(pairs)

    def vocabulary(self, settings: Settings) -> ItemVocabulary:
        """A new vocabulary of all items, without reviews."""
        items = ItemVocabulary(settings.items.capacity, ItemContent(settings.model))
        for item in self.catalog:
            items.describe(item.item_id, item.title, item.categories, features=item.features, numbers=item.numbers)
        for item_id in self.items[1:]:
            items.add(item_id)
        return items


def read_log(
    files: Sequence[Path],
    items_file: Path | None,
    columns: str | None,
    skip_bad: bool,
    registered: Sequence[str] = (),
    options: FormatOptions | None = None,
    clean: CleaningRules = NO_RULES,
    on_line: Callable[[str], None] = lambda text: None,
    rules: SchemaRules = BUILT_IN_RULES,
) -> tuple[TrainingLog, LeftOut]:
    """Events of all files in order of time, and the lines left out; `registered` items come first in the index.

    `on_line` gets the format of each file, and what `clean` did; `rules` are those of the stream.
    """
    left_out = LeftOut()
    logs = [open_events(file, parse_columns(columns), options, rules) for file in files]
    for log in logs:
        on_line(log.description)

    def events_of(counts: LeftOut) -> Iterator[LoggedEvent]:
        return chain.from_iterable(log.events(counts, skip_bad) for log in logs)

    if clean:
        cleaner = Cleaner(clean)
        cleaner.find_outliers(events_of(LeftOut()))
        with in_time_order(events_of) as ordered:
            left_out = ordered.left_out
            events, users, items = sorted_event_columns(cleaner.clean(ordered.events), registered)
        on_line(cleaner.describe())
    else:
        events, users, items = sorted_event_columns(events_of(left_out), registered)
    if not users:
        raise LogError(no_events(str(files[0]), left_out))
    return TrainingLog(events, users, items, read_items(items_file) if items_file else []), left_out


async def registered_items(settings: Settings) -> list[str]:
    """Item ids by their slots, as the broker's item register has them."""
    topic, slots = settings.topics.item_index, ItemSlots()
    async for record in read_topic(settings.kafka, topic):
        slots.register(*decode_registration(topic, record.key, record.value, record.timestamp))
    return slots.ids[1:]


def train(
    settings: Settings,
    console: Console,
    log: TrainingLog,
    folder: Path,
    resume: bool = False,
) -> Path:
    """Train and save; the checkpoint's folder. A snapshot for `resume` and TensorBoard scalars are kept in `folder`.

    Of several processes only the first one saves; the others return `folder`.
    """
    require_dtype(settings.model)
    set_compute_threads(settings.model)
    if len(log.events) < _MIN_EVENTS:
        raise TrainingError(f"{len(log.events)} events are too few to learn from: {_MIN_EVENTS} at least")
    if settings.model.allow_repeats and not log.has_repeats():
        console.print(
            "[yellow]nobody has an item twice:[/] model.allow_repeats=false would fit, here and in the workers"
        )
    trained = int(len(log.events) * (1 - settings.training.held_out_share))
    with process_group(settings.model) as (group, model):
        trainer = _trainer(replace(settings, model=model), log, trained, group)
        _train_epochs(settings, console, log, trainer, group, folder, resume)
    if group.rank:
        return folder
    path, rank, log_p = _finish(settings, console, log, trainer, trained, folder)
    (folder / TRAINING_FILE).unlink()
    progress = trainer.progress
    console.print(
        f"[green]✓[/] epoch {progress.best_epoch} of {progress.epoch} was the best; {path} is what workers start from"
    )
    if len(rank):
        held_out = Quality.of(rank, log_p)
        console.print(
            f"  held out, each event scored before it was learnt: recall@10 [bold]{held_out.recall_at_10:.4f}[/], MRR "
            f"{held_out.mrr:.4f}, log-loss {held_out.log_loss:.3f} ({len(rank):,} events)",
            highlight=False,
            soft_wrap=True,
        )
    return path


def _train_epochs(
    settings: Settings,
    console: Console,
    log: TrainingLog,
    trainer: Trainer,
    group: ProcessGroup,
    folder: Path,
    resume: bool,
) -> None:
    file, fingerprint = folder / TRAINING_FILE, _fingerprint(settings, log)
    if file.exists() and not resume:
        raise TrainingError(f"an unfinished training stands in {file}: go on with --resume, or remove it")
    if resume:
        if not file.exists():
            raise TrainingError(f"there is no unfinished training in {folder}: leave --resume out")
        snapshot.resume(file, trainer, fingerprint)
        console.print(f"resuming after epoch {trainer.progress.epoch}")
    group.require_same(fingerprint | {"epoch": str(trainer.progress.epoch)})
    if group.size > 1:
        console.print(f"{group.size} processes, each with its share of every step")
    writer = None if group.rank else SummaryWriter(str(folder / TENSORBOARD_FOLDER))
    try:
        with _progress(console) as progress_of:
            while not trainer.done:
                epoch = trainer.train_epoch(progress_of(f"epoch {trainer.progress.epoch + 1}"))
                if writer is None:
                    continue
                _write_scalars(writer, epoch)
                console.print(_format_epoch(epoch), highlight=False)
                snapshot.save(file, trainer, fingerprint)
    except KeyboardInterrupt:
        if trainer.progress.epoch and writer is not None:
            console.print(f"stopped; epoch {trainer.progress.epoch} is saved in {file}: go on with --resume")
        raise
    finally:
        if writer is not None:
            writer.close()


def _trainer(settings: Settings, log: TrainingLog, trained: int, group: ProcessGroup) -> Trainer:
    items, grouped = log.vocabulary(settings), log.events.grouped()
    sequences = UserSequences(grouped.batch, grouped.order < trained, settings.model, items.content)
    return Trainer(settings.model, settings.training, items, sequences, group)


def _finish(
    settings: Settings, console: Console, log: TrainingLog, trainer: Trainer, trained: int, folder: Path
) -> tuple[Path, NDArray[np.float64], NDArray[np.float64]]:
    """Replay the log with the trained weights and save; the checkpoint, and rank and log p of the held-out events."""
    items = log.vocabulary(settings)
    learning = settings.learning
    if not np.ptp(log.events.time_ms):  # a log without times: how fast its users were is not known
        learning = replace(learning, min_window_s=0.0)
    worker = PrequentialReplay(settings.model, learning, items, log.users, settings.predictions.top_items)
    worker.restore(trainer.weights())
    rank, log_p = np.zeros((2, len(log.events)))
    total = len(log.events)
    with _progress(console) as progress_of:
        on_progress = progress_of("replay")
        for low in range(0, trained, _REPLAY_EVENTS):
            worker.replay(log.events[low : min(low + _REPLAY_EVENTS, trained)])
            on_progress(min(low + _REPLAY_EVENTS, trained), total)
        for low in range(trained, total, _BATCH_EVENTS):
            batch = log.events[low : low + _BATCH_EVENTS]
            scores = worker.score(batch, int(log.events.item[:low].max()))
            rank[low : low + len(batch)], log_p[low : low + len(batch)] = scores.rank, scores.log_p
            worker.step(batch, learn=True)
            on_progress(min(low + _BATCH_EVENTS, total), total)
    path = checkpoint.save(folder, worker.weights(), settings.model, items, keep=1)
    scored = np.arange(total) >= trained
    scored &= log.events.item > 0
    return path, rank[scored], log_p[scored]


def _fingerprint(settings: Settings, log: TrainingLog) -> dict[str, str]:
    """What a resumed training must match: the log, and the settings of model and training."""
    events = log.events
    total = int((events.user * 31 + events.item * 17 + events.time_ms).sum())
    fingerprint = {"events": f"{len(events)} ({total & 0xFFFFFFFF:08x})", "items": str(len(log.items) - 1)}
    for section in ("model", "training"):
        values = asdict(getattr(settings, section))
        fingerprint |= {f"{section}.{name}": str(value) for name, value in values.items()}
    return fingerprint


def _write_scalars(writer: SummaryWriter, epoch: EpochResult) -> None:
    scalars = {
        "loss/trained": epoch.loss,
        "loss/held_out": epoch.held_out_loss,
        "lr": epoch.lr,
        "events_per_s": epoch.events / epoch.seconds,
        "skipped_steps": epoch.skipped_steps,
    }
    for name, value in scalars.items():
        writer.add_scalar(name, value, epoch.number)


def _format_epoch(epoch: EpochResult) -> str:
    outcome = "[green]best so far[/]" if epoch.improved else "no better: back to the best, with a smaller lr"
    return (
        f"epoch {epoch.number:>3}  loss {epoch.loss:.4f}  held out {epoch.held_out_loss:.4f}  "
        f"{epoch.events / epoch.seconds:,.0f} events/s  {outcome}"
    )


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], ProgressCallback]]:
    columns = TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        tasks: list[TaskID] = []

        def progress_of(description: str) -> ProgressCallback:
            for task in tasks:
                progress.update(task, visible=False)
            task = progress.add_task(description, total=None)
            tasks.append(task)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield progress_of
