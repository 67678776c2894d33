"""Snapshot of an unfinished offline training between two epochs: one safetensors file, replaced atomically."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.errors import TrainingError
from models.training.offline.trainer import Trainer, TrainingProgress

_FORMAT: Final = "2"


def save(file: Path, trainer: Trainer, fingerprint: Mapping[str, str]) -> None:
    """Write all that `resume` needs; `fingerprint` is what a resumed training must match (log, settings)."""
    tensors, progress = trainer.state()
    file.parent.mkdir(parents=True, exist_ok=True)
    staging = file.with_suffix(".saving")
    metadata = {"format": _FORMAT, "progress": json.dumps(asdict(progress)), **fingerprint}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, staging, metadata)
    with staging.open("rb") as staged:
        os.fsync(staged.fileno())
    staging.replace(file)


def resume(file: Path, trainer: Trainer, fingerprint: Mapping[str, str]) -> None:
    """Restore the trainer from the file. TrainingError where it is damaged or its fingerprint is another one."""
    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{file} can't be read ({error}): remove it and train anew") from error
    if metadata.get("format") != _FORMAT:
        raise TrainingError(f"{file} is not a training that this program reads: remove it and train anew")
    differing = [
        f"{name} was {metadata.get(name)}, is {value}"
        for name, value in fingerprint.items()
        if metadata.get(name) != value
    ]
    if differing:
        raise TrainingError(
            f"{file} is of another training ({'; '.join(differing)}): set it back, or remove the file and train anew"
        )
    trainer.restore(tensors, TrainingProgress(**json.loads(metadata["progress"])))
