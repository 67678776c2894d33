"""A training that stands on disk between two passes: a safetensors file, whole or not there."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from models.errors import TrainingError
from models.training.offline import Progress, Trainer

_FORMAT: Final = "1"


def save(file: Path, trainer: Trainer, about: Mapping[str, str]) -> None:
    """The file holds all that `resume` needs; `about` says what is trained, on what and how."""
    tensors, progress = trainer.state()
    file.parent.mkdir(parents=True, exist_ok=True)
    staging = file.with_suffix(".saving")
    metadata = {"format": _FORMAT, "progress": json.dumps(asdict(progress)), **about}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, staging, metadata)
    with staging.open("rb") as written:
        os.fsync(written.fileno())
    staging.replace(file)


def resume(file: Path, trainer: Trainer, about: Mapping[str, str]) -> None:
    """The trainer goes on where the file's stood. TrainingError where that is damaged or was about something else."""
    try:
        with safe_open(file, "pt") as held:
            metadata = held.metadata() or {}
            tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118  # it is no mapping
    except (SafetensorError, OSError) as error:
        raise TrainingError(f"{file} can't be read ({error}): remove it and train anew") from error
    if metadata.get("format") != _FORMAT:
        raise TrainingError(f"{file} is not a training that this program reads: remove it and train anew")
    differing = [
        f"{name} was {metadata.get(name)}, is {value}" for name, value in about.items() if metadata.get(name) != value
    ]
    if differing:
        raise TrainingError(
            f"{file} is about something else ({'; '.join(differing)}): set it back, or remove the file and train anew"
        )
    trainer.restore(tensors, Progress(**json.loads(metadata["progress"])))
