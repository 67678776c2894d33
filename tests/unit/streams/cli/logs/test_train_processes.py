"""Training by several processes, as torchrun starts them: real ones, joined by gloo on the loopback interface."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import torch
from rich.console import Console

from models import checkpoint
from streams.cli.logs.train import read_log, train
from streams.files.synthetic import synthesize
from streams.settings.settings import load_settings
from tests.unit.streams.cli.logs import several_trainings

pytestmark = pytest.mark.slow

SETTINGS = [
    "model.embedding_dim=16",
    "model.hidden_size=16",
    "model.history_length=10",
    "model.device=cpu",
    "training.held_out_share=0.2",
    "training.gradient_accumulation_steps=2",
    "training.event_dropout=0.1",
]
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TIMEOUT_S = 300


SOFTMAXES = {"full": [], "sampled": ["training.full_softmax_items=1", "training.sampled_items=64"]}
EPOCHS = 3
FIRST_EPOCH = "epoch   1"


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("log") / "events.jsonl"
    made = synthesize(events=1200, users=30, items=24, seed=0)
    file.write_bytes(b"\n".join(event.encode() for event in made.events()))
    return file


def words_of(log_file: Path, out: Path, settings: list[str]) -> list[str]:
    """Those of `interest-stream train`."""
    return [str(log_file), "--out", str(out), *(part for one in [*SETTINGS, *settings] for part in ("--set", one))]


@contextmanager
def two_processes(folder: Path, module: str, words: list[str]) -> Iterator[subprocess.Popen[str]]:
    """torchrun, with two processes that run the module."""
    environment = os.environ | {"COLUMNS": "160", "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, *TORCHRUN, "-m", module, *words]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            for started in psutil.Process(process.pid).children(recursive=True):
                started.kill()  # they would go on, and keep the output open
            process.kill()
            process.communicate()


def endless(log_file: Path, out: Path) -> list[str]:
    return words_of(log_file, out, ["training.epochs=100000", "training.lr_reductions=100000"])


def losses(output: str) -> list[tuple[float, float]]:
    """Training and held-out loss of each epoch."""
    pattern = r"epoch +\d+ +loss ([\d.]+) +held out ([\d.]+)"
    return [(float(loss), float(held_out)) for loss, held_out in re.findall(pattern, output)]


@dataclass(frozen=True)
class Trainings:
    """Two processes that have trained with each softmax, and now train without end."""

    outputs: dict[str, str]
    """What they printed, by the softmax, after which the checkpoint's folder is called"""
    process: subprocess.Popen[str]
    """In the last training"""


@pytest.fixture(scope="module")
def trainings(log_file: Path) -> Iterator[Trainings]:
    """In one start of the processes, which takes longer than the trainings."""
    folder = log_file.parent
    commands = [
        words_of(log_file, folder / name, [*softmax, f"training.epochs={EPOCHS}"])
        for name, softmax in SOFTMAXES.items()
    ]
    commands.append(endless(log_file, folder / "endless"))
    with two_processes(folder, several_trainings.__name__, [*map(json.dumps, commands)]) as process:
        outputs = [printed_before(process, several_trainings.SEPARATOR) for _ in SOFTMAXES]
        yield Trainings(dict(zip(SOFTMAXES, outputs, strict=True)), process)


def printed_before(process: subprocess.Popen[str], text: str) -> str:
    """What it prints before a line with the text."""
    assert process.stdout is not None
    printed = ""
    while text not in (line := process.stdout.readline()):
        assert line, printed
        printed += line
    return printed


def test_ctrl_c_ends_all_and_says_what_is_saved(trainings: Trainings) -> None:
    # First, so that no other test runs beside it.
    process = trainings.process
    printed_before(process, FIRST_EPOCH)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode
    assert re.search(r"stopped; epoch \d+ is saved .* --resume", rest)


@pytest.mark.parametrize("softmax", SOFTMAXES)
def test_two_processes_train_as_one_does(log_file: Path, tmp_path: Path, trainings: Trainings, softmax: str) -> None:
    settings = load_settings(overrides=[*SETTINGS, *SOFTMAXES[softmax], f"training.epochs={EPOCHS}"])
    console = Console(record=True, width=160)
    log, _ = read_log([log_file], None, None, skip_bad=False)
    train(settings, console, log, tmp_path / "one")
    assert "2 processes" in trainings.outputs[softmax]
    losses_of_one = losses(console.export_text())
    assert len(losses_of_one) == EPOCHS
    for one, two in zip(losses_of_one, losses(trainings.outputs[softmax]), strict=True):
        assert two == pytest.approx(one, abs=1e-3)
    items = log.vocabulary(settings)
    folders = tmp_path / "one", log_file.parent / softmax
    weights = [checkpoint.load(folder, settings.model, items) for folder in folders]
    assert weights[0] is not None
    assert weights[1] is not None
    assert weights[0].version == weights[1].version
    for name, tensor in weights[0].tensors.items():
        torch.testing.assert_close(weights[1].tensors[name], tensor, rtol=0.02, atol=0.002)


def wait_for_file(file: Path) -> None:
    """Returns once it is there: an epoch is printed before it is saved."""
    end_s = time.monotonic() + TIMEOUT_S
    while not file.exists():
        assert time.monotonic() < end_s, file
        time.sleep(0.02)


def test_the_end_of_one_process_ends_the_others_with_what_to_do(log_file: Path, tmp_path: Path) -> None:
    with two_processes(tmp_path, "streams.cli", ["train", *endless(log_file, tmp_path / "out")]) as process:
        printed_before(process, FIRST_EPOCH)
        wait_for_file(tmp_path / "out" / "training.safetensors")
        (second,) = (child for child in psutil.Process(process.pid).children() if child.environ().get("RANK") == "1")
        second.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode
        assert "process 0 of 2" in rest
        assert "go on from the last epoch with --resume" in rest
    assert (tmp_path / "out" / "training.safetensors").exists()
