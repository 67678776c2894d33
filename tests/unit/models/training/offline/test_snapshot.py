from pathlib import Path

import pytest
import torch

from models.errors import TrainingError
from models.training.offline.snapshot import resume, save
from tests.unit.models.training.offline.test_trainer import train_to_the_end, trainer_on

FINGERPRINT = {"events": "3000", "model.embedding_dim": "16"}


@pytest.mark.slow
def test_a_resumed_training_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    file = tmp_path / "new" / "training.safetensors"
    first, second, uninterrupted = trainer_on(), trainer_on(), trainer_on()
    first.train_epoch(lambda done, total: None)
    save(file, first, FINGERPRINT)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    resume(file, second, FINGERPRINT)
    assert second.progress == first.progress
    train_to_the_end(second)
    train_to_the_end(uninterrupted)
    assert all(
        torch.equal(tensor, second.weights().tensors[name]) for name, tensor in uninterrupted.weights().tensors.items()
    )


def test_another_log_or_other_settings_are_refused_with_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    trainer = trainer_on()
    save(file, trainer, FINGERPRINT)
    with pytest.raises(TrainingError, match=r"model\.embedding_dim was 16, is 32"):
        resume(file, trainer, FINGERPRINT | {"model.embedding_dim": "32"})


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    trainer = trainer_on()
    save(file, trainer, FINGERPRINT)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match="can't be read"):
        resume(file, trainer, FINGERPRINT)
    torch_file = tmp_path / "other.safetensors"
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, torch_file)
    with pytest.raises(TrainingError, match="not a training"):
        resume(torch_file, trainer, FINGERPRINT)
