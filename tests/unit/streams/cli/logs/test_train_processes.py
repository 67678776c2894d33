"""Training by several processes, as torchrun starts them: real ones, joined by gloo on the loopback interface."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import torch

from models import checkpoint
from streams.cli.logs.train import read_log
from streams.files.synthetic import synthesize
from streams.settings.settings import load_settings

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


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    file = tmp_path / "events.jsonl"
    made = synthesize(events=1200, users=30, items=24, seed=0)
    file.write_bytes(b"\n".join(event.encode() for event in made.events()))
    return file


@contextmanager
def training(log_file: Path, out: str, launcher: list[str], *settings: str) -> Iterator[subprocess.Popen[str]]:
    options = [part for setting in (*SETTINGS, *settings) for part in ("--set", setting)]
    command = [sys.executable, *launcher, "-m", "streams.cli", "train", log_file.name, "--out", out, *options]
    environment = os.environ | {"COLUMNS": "160", "PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(
        command, cwd=log_file.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def losses(output: str) -> list[tuple[float, float]]:
    """Training and held-out loss of each epoch."""
    pattern = r"epoch +\d+ +loss ([\d.]+) +held out ([\d.]+)"
    return [(float(loss), float(held_out)) for loss, held_out in re.findall(pattern, output)]


@pytest.mark.slow
@pytest.mark.parametrize("sampled", [(), ("training.full_softmax_items=1", "training.sampled_items=64")])
def test_two_processes_train_as_one_does(log_file: Path, sampled: tuple[str, ...]) -> None:
    outputs = {}
    for out, launcher in (("one", []), ("two", TORCHRUN)):
        with training(log_file, out, launcher, "training.epochs=3", *sampled) as process:
            outputs[out], _ = process.communicate(timeout=TIMEOUT_S)
            assert process.returncode == 0, outputs[out]
    assert "2 processes" in outputs["two"]
    assert len(losses(outputs["one"])) == 3
    for one, two in zip(losses(outputs["one"]), losses(outputs["two"]), strict=True):
        assert two == pytest.approx(one, abs=1e-3)
    settings = load_settings(overrides=SETTINGS)
    items = read_log([log_file], None, None, skip_bad=False)[0].vocabulary(settings)
    weights = [checkpoint.load(log_file.parent / out, settings.model, items) for out in ("one", "two")]
    assert weights[0] is not None
    assert weights[1] is not None
    assert weights[0].version == weights[1].version
    for name, tensor in weights[0].tensors.items():
        torch.testing.assert_close(weights[1].tensors[name], tensor, rtol=0.02, atol=0.002)


def wait_for_an_epoch(process: subprocess.Popen[str]) -> None:
    """Returns once the first epoch is printed."""
    assert process.stdout is not None
    printed = ""
    while "epoch   1" not in printed:
        line = process.stdout.readline()
        assert line, printed
        printed += line


@pytest.mark.slow
def test_the_end_of_one_process_ends_the_others_with_what_to_do(log_file: Path) -> None:
    with training(log_file, "out", TORCHRUN, "training.epochs=100000", "training.lr_reductions=100000") as process:
        wait_for_an_epoch(process)
        (second,) = (child for child in psutil.Process(process.pid).children() if child.environ().get("RANK") == "1")
        second.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode
        assert "process 0 of 2" in rest
        assert "go on from the last epoch with --resume" in rest
    assert (log_file.parent / "out" / "training.safetensors").exists()


@pytest.mark.slow
def test_ctrl_c_ends_all_and_says_what_is_saved(log_file: Path) -> None:
    with training(log_file, "out", TORCHRUN, "training.epochs=100000", "training.lr_reductions=100000") as process:
        wait_for_an_epoch(process)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode
        assert re.search(r"stopped; epoch \d+ is saved .* --resume", rest)
