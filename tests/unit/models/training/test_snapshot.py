from pathlib import Path

import pytest
import torch

from models.errors import TrainingError
from models.training.snapshot import resume, save
from tests.unit.models.training.test_offline import passes, trainer_on

ABOUT = {"events": "3000", "model.embedding_dim": "16"}


def test_a_training_comes_back_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "training.safetensors"
    first, second, whole = trainer_on(), trainer_on(), trainer_on()
    first.learn(lambda done, total: None)
    save(file, first, ABOUT)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    resume(file, second, ABOUT)
    assert second.progress == first.progress
    passes(second)
    passes(whole)
    assert all(torch.equal(tensor, second.weights().tensors[name]) for name, tensor in whole.weights().tensors.items())


def test_another_log_or_other_settings_are_refused_by_what_differs(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    trainer = trainer_on()
    save(file, trainer, ABOUT)
    with pytest.raises(TrainingError, match=r"model\.width was 16, is 32"):
        resume(file, trainer, ABOUT | {"model.embedding_dim": "32"})


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "training.safetensors"
    trainer = trainer_on()
    save(file, trainer, ABOUT)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(TrainingError, match="can't be read"):
        resume(file, trainer, ABOUT)
    torch_file = tmp_path / "other.safetensors"
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, torch_file)
    with pytest.raises(TrainingError, match="not a training"):
        resume(torch_file, trainer, ABOUT)
