from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

from models import checkpoint
from models.errors import CheckpointError, TrainingError
from models.progress import ProgressCallback
from models.training.offline.trainer import Trainer
from streams.cli.logs.train import TrainingLog, read_log, train
from streams.files.cleaning import CleaningRules
from streams.files.synthetic import synthesize
from streams.settings.settings import Settings, load_settings

OVERRIDES = [
    "model.embedding_dim=16",
    "model.hidden_size=16",
    "model.history_length=32",  # as many as the events of a step, so that each of them is counted
    "model.device=cpu",
    "training.epochs=3",
    "learning.max_repeats=0",  # of 24 items, users repeat some often: each event counts
]


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    made = synthesize(events=1500, users=20, items=24, seed=0)
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(event.encode() for event in made.events()))
    return file


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return load_settings(overrides=OVERRIDES)


def log_of(file: Path) -> TrainingLog:
    return read_log([file], None, None, skip_bad=False)[0]


def console() -> Console:
    return Console(record=True, width=160, quiet=False)


def test_a_log_becomes_a_checkpoint_with_counts_and_item_ids(
    log_file: Path, settings: Settings, tmp_path: Path
) -> None:
    log, screen = log_of(log_file), console()
    path = train(settings, screen, log, tmp_path / "trained")
    assert path.parent == tmp_path / "trained"
    ids = checkpoint.item_ids(tmp_path / "trained")
    assert ids == log.items[1:]
    loaded = checkpoint.load(tmp_path / "trained", settings.model, log.vocabulary(settings))
    assert loaded is not None
    # The uninterrupted log is counted, each event once.
    np.testing.assert_allclose(loaded.experts["popularity.counts"][-1].sum(), log_weight(log))
    text = screen.export_text()
    assert "epoch   3" in text
    assert "recall@10" in text
    assert not (tmp_path / "trained" / "training.safetensors").exists()


def log_weight(log: TrainingLog) -> float:
    from models.data.events import TYPE_WEIGHT

    return float(TYPE_WEIGHT[log.events.type][log.events.item > 0].sum())


def test_tensorboard_scalars_are_written(log_file: Path, settings: Settings, tmp_path: Path) -> None:
    train(settings, console(), log_of(log_file), tmp_path / "trained")
    (file,) = (tmp_path / "trained" / "tensorboard").iterdir()
    scalars = read_scalars(file.read_bytes())
    assert set(scalars) == {"loss/trained", "loss/held_out", "lr", "events_per_s", "skipped_steps"}
    assert [step for step, _ in scalars["loss/held_out"]] == [1, 2, 3]
    assert scalars["loss/trained"][-1][1] < scalars["loss/trained"][0][1]


def read_scalars(data: bytes) -> dict[str, list[tuple[int, float]]]:
    """Scalars by tag of an event file: records of (length, its checksum, data, its checksum)."""
    scalars_by_tag: dict[str, list[tuple[int, float]]] = {}
    offset = 0
    while offset < len(data):
        size = int.from_bytes(data[offset : offset + 8], "little")
        body = data[offset + 12 : offset + 12 + size]
        assert int.from_bytes(data[offset + 12 + size : offset + 16 + size], "little") == masked_crc32c(body)
        event = Event.FromString(body)
        for value in event.summary.value:
            scalars_by_tag.setdefault(value.tag, []).append((event.step, value.simple_value))
        offset += 16 + size
    return scalars_by_tag


@pytest.mark.slow
def test_an_interrupted_training_resumes_where_it_stopped(
    log_file: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, screen = log_of(log_file), console()
    uninterrupted = train(settings, console(), log, tmp_path / "uninterrupted")
    train_epoch = Trainer.train_epoch

    def interrupted(self: Trainer, on_progress: ProgressCallback) -> object:
        if self.progress.epoch == 2:
            raise KeyboardInterrupt
        return train_epoch(self, on_progress)

    monkeypatch.setattr(Trainer, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(settings, screen, log, tmp_path / "parts")
    monkeypatch.setattr(Trainer, "train_epoch", train_epoch)
    assert "go on with --resume" in screen.export_text()
    with pytest.raises(TrainingError, match="go on with --resume, or remove it"):
        train(settings, console(), log, tmp_path / "parts")
    parts = train(settings, console(), log, tmp_path / "parts", resume=True)
    assert parts.name == uninterrupted.name
    for name in ("weights.safetensors", "experts.safetensors", "items.json"):
        assert (parts / name).read_bytes() == (uninterrupted / name).read_bytes(), name


def test_resume_without_a_snapshot_is_an_error(log_file: Path, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="leave --resume out"):
        train(settings, console(), log_of(log_file), tmp_path / "nothing", resume=True)


def test_a_second_training_replaces_the_first(log_file: Path, settings: Settings, tmp_path: Path) -> None:
    log, folder = log_of(log_file), tmp_path / "trained"
    train(settings, console(), log, folder)
    shorter = load_settings(overrides=[*OVERRIDES, "training.epochs=1"])
    path = train(shorter, console(), log, folder)
    assert [checkpoint_folder.name for checkpoint_folder in folder.glob("weights-*")] == [path.name]


def test_a_log_too_short_is_an_error(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "few.csv"
    file.write_text("user,item,time\na,x,1\nb,y,2\n")
    with pytest.raises(TrainingError, match="2 events are too few"):
        train(settings, console(), log_of(file), tmp_path / "trained")


def test_several_logs_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,time\nu,i1,10\nu,i3,30\n")
    (tmp_path / "b.csv").write_text("user,item,time\nv,i2,20\nv,,40\n")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    log, left_out = read_log(files, None, None, skip_bad=True, registered=["old", "i3"])
    assert left_out.counts == {"the item is empty": 1}
    assert log.items == ["", "old", "i3", "i1", "i2"]
    assert log.events.item.tolist() == [3, 4, 2]
    assert log.users == 2


def test_a_log_is_cleaned_before_it_is_learnt(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item,time\nu,i2,20\nu,i1,10\nv,i1,20\n")
    (tmp_path / "b.csv").write_text("user,item,time\nu,i2,20\nv,i3,30\nv,i4,40\n")
    lines: list[str] = []
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    rules = CleaningRules(dedupe=True, cap=2)
    log, _ = read_log(files, None, None, skip_bad=False, clean=rules, on_line=lines.append)
    assert log.items == ["", "i1", "i2", "i3"]
    assert log.events.time_ms.tolist() == [10_000, 20_000, 20_000, 30_000]
    assert lines[0].startswith("a.csv: delimiter comma, header line")
    assert lines[2] == "--clean dedupe: 1 dropped, cap: 1 dropped"


def test_filtering_repeats_is_proposed_where_no_user_repeats_an_item(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "films.csv"
    rows = [f"u{number % 20},i{number // 20},{number}" for number in range(400)]
    file.write_text("user,item,time\n" + "\n".join(rows))
    screen = console()
    train(settings, screen, log_of(file), tmp_path / "trained")
    assert "model.allow_repeats=false would fit" in screen.export_text()


def test_a_checkpoint_of_other_settings_is_refused_by_a_worker(
    log_file: Path, settings: Settings, tmp_path: Path
) -> None:
    log = log_of(log_file)
    train(settings, console(), log, tmp_path / "trained")
    other = load_settings(overrides=[*OVERRIDES, "model.hidden_size=24"])
    with pytest.raises(CheckpointError, match="hidden_size 16 there, 24 here"):
        checkpoint.load(tmp_path / "trained", other.model, log.vocabulary(other))
