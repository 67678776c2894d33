import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.checkpoint import exists, item_ids, load, load_newest, save
from models.config import LearnerConfig, ModelConfig
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.errors import CheckpointError
from models.inference.engine import Engine
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import INITIAL_LINEAGE, trained_lineage
from models.training.online import OnlineLearner
from tests.unit.models.saved_weights import flip, weights


def test_saved_weights_load(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    saved = replace(weights(config, 12), lr_step=7)
    path = save(tmp_path / "new" / "folder", saved, config, items)
    assert sorted(part.name for part in path.iterdir()) == ["items.json", "manifest.json", "weights.safetensors"]
    loaded = load(tmp_path / "new" / "folder", config, items)
    assert loaded is not None
    assert (loaded.version, loaded.lr_step) == (12, 7)
    assert len(loaded.tensors["item"]) == len(items) + 1
    network = InterestNetwork(config)
    network.load(loaded)
    assert torch.equal(network.item[: len(items) + 1], saved.tensors["item"][: len(items) + 1])
    assert torch.equal(network.get_parameter("fusion.mix.weight"), saved.tensors["fusion.mix.weight"])


def test_the_state_of_a_learner_loads_without_rows_of_unknown_items(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary
) -> None:
    learner = {"raw/gap": torch.ones(3), "adam/item.exp_avg": torch.ones(1024, 8), "adam/item.step": torch.tensor(5)}
    path = save(tmp_path, replace(weights(config, 1), learner=learner), config, items)
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    assert {name: tuple(tensor.shape) for name, tensor in loaded.learner.items()} == {
        "raw/gap": (3,),
        "adam/item.exp_avg": (len(items) + 1, 8),
        "adam/item.step": (),
    }
    assert loaded.learner["adam/item.step"] == 5
    flip(path / "learner.safetensors")
    with pytest.raises(CheckpointError, match=r"learner\.safetensors"):
        load(tmp_path, config, items)


def test_a_learner_goes_on_from_its_checkpoint(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    """Item tables there have the rows of known items alone, here twice as many as there is room for."""
    learner, engine = OnlineLearner(config, LearnerConfig(), items), Engine(config, items)
    batch = EventBatch(np.zeros(9, np.int64), np.arange(1, 10), np.ones(9, np.int64), np.arange(9))
    rows = engine.step(batch, new_user_states(config, 1)).rows
    learner.observe(rows, np.bincount(batch.user, minlength=len(rows)))
    learner.train_step()
    save(tmp_path, learner.state(), config, items)
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    resumed = OnlineLearner(config, LearnerConfig(), items)
    resumed.restore(loaded)
    saved, restored = learner.state().learner, resumed.state().learner
    assert saved.keys() == restored.keys()
    assert all(torch.equal(saved[name], restored[name]) for name in saved)
    assert saved["adam/item.exp_avg"].abs().sum() > 0
    resumed.observe(rows, np.bincount(batch.user, minlength=len(rows)))
    result = resumed.train_step()
    assert result is not None
    assert not result.skipped


def test_a_checkpoint_keeps_its_lineage(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    save(tmp_path, replace(weights(config, 1), lineage=0xFFFFFFFF), config, items)
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    assert loaded.lineage == 0xFFFFFFFF


def test_a_checkpoint_of_before_lineages_has_that_of_its_content(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary
) -> None:
    for version in (1, 2):
        path = save(tmp_path / str(version), weights(config, version), config, items)
        manifest = json.loads((path / "manifest.json").read_text())
        del manifest["lineage"], manifest["sha256"]["manifest.json"]
        sha256 = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
        manifest["sha256"]["manifest.json"] = sha256
        (path / "manifest.json").write_text(json.dumps(manifest))
    first, again, other = (load(tmp_path / folder, config, items) for folder in "112")
    assert first is not None
    assert again is not None
    assert other is not None
    assert first.lineage == again.lineage == trained_lineage(first.tensors) > INITIAL_LINEAGE
    assert other.lineage != first.lineage


def full(config: ModelConfig, names: str) -> ItemVocabulary:
    items = ItemVocabulary(3)
    for number, name in enumerate(names):
        items.apply(name, Registration(3, [number - 2]))
    return items


def test_a_checkpoint_says_how_many_registrations_it_follows(tmp_path: Path, config: ModelConfig) -> None:
    save(tmp_path, replace(weights(config, 1), registered=4), config, full(config, "abcde"))
    assert item_ids(tmp_path) == []  # a new register cannot be filled from it
    for names in ("abcde", "abcdefg"):
        loaded = load(tmp_path, config, full(config, names))
        assert loaded is not None
        assert loaded.registered == 4  # what came after begins anew
    with pytest.raises(CheckpointError, match="knows 5 items, the item register only 4"):
        load(tmp_path, config, full(config, "abcd"))
    with pytest.raises(CheckpointError, match="another item register"):
        load(tmp_path, config, full(config, "axcde"[::-1]))


def test_a_checkpoint_of_all_that_was_registered_stays_whole_while_no_item_is_evicted(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary
) -> None:
    save(tmp_path, weights(config, 1), config, items)
    items.add("one more")
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    assert loaded.registered == items.register.count == 31


def test_a_log_trained_by_the_slots_of_a_register_fits_it(tmp_path: Path, config: ModelConfig) -> None:
    register = full(config, "abcde")
    trained = ItemVocabulary(3)
    for name in register.ids(3):
        trained.add(name)
    save(tmp_path, weights(config, 1), config, trained)
    for names, registered in (("abcde", 5), ("abcdef", 5), ("abcdefg", 5)):
        register = full(config, names)
        loaded = load(tmp_path, config, register)
        assert loaded is not None
        assert loaded.registered == registered
        changed = {slot for slot in range(1, 4) if register.id(slot) != trained.id(slot)}
        assert set(register.register.taken_over(registered)[1].tolist()) == changed
    with pytest.raises(CheckpointError, match="another item register"):
        load(tmp_path, config, full(config, "abxde"))


def test_an_empty_folder_loads_nothing(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    assert load(tmp_path / "absent", config, items) is None
    assert load(tmp_path, config, items) is None


def test_a_checkpoint_names_its_items(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    assert not exists(tmp_path)
    assert item_ids(tmp_path) == []
    save(tmp_path, weights(config, 1), config, items)
    items.add("日本 😀")
    newest = save(tmp_path, weights(config, 2), config, items)
    assert item_ids(tmp_path) == items.ids(len(items)) == [f"i{number}" for number in range(30)] + ["日本 😀"]
    flip(newest / "items.json")
    assert item_ids(tmp_path) == items.ids(30)
    assert exists(tmp_path)


def test_a_lower_version_that_was_just_saved_stays(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    save(tmp_path, weights(config, 9), config, items)
    save(tmp_path, weights(config, 2), config, items, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["weights-00000002"]


def test_the_newest_is_loaded_and_the_oldest_are_deleted(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary
) -> None:
    for version in (5, 6, 700_000_000, 8):
        save(tmp_path, weights(config, version), config, items, keep=3)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["weights-00000006", "weights-00000008", "weights-700000000"]
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    assert loaded.version == 700_000_000


def test_same_version_is_replaced(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    save(tmp_path, weights(config, 1), config, items)
    items.add("one more")
    save(tmp_path, weights(config, 1), config, items)
    loaded = load(tmp_path, config, items)
    assert loaded is not None
    assert len(loaded.tensors["item"]) == len(items) + 1


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("damage", [_cut, flip, Path.unlink])
@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json", "items.json"])
def test_damaged_weights_are_skipped(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary, damage: object, name: str
) -> None:
    save(tmp_path, weights(config, 1), config, items)
    newest = save(tmp_path, weights(config, 2), config, items)
    assert callable(damage)
    damage(newest / name)
    loaded, damaged = load_newest(tmp_path, config, items)
    assert loaded is not None
    assert loaded.version == 1
    assert [checkpoint.path for checkpoint in damaged] == [newest]
    damage(tmp_path / "weights-00000001" / name)
    with pytest.raises(CheckpointError, match="weights-00000001"):
        load(tmp_path, config, items)


def test_changed_manifest_is_refused(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    path = save(tmp_path, weights(config, 1), config, items)
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["items"]["count"] = 3
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match="not as it was written"):
        load(tmp_path, config, items)


def test_renamed_checkpoint_is_refused(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    save(tmp_path, weights(config, 1), config, items).rename(tmp_path / "weights-00000009")
    with pytest.raises(CheckpointError, match="weights-00000009"):
        load(tmp_path, config, items)


def test_leftovers_of_a_crash_are_ignored_and_removed(
    tmp_path: Path, config: ModelConfig, items: ItemVocabulary
) -> None:
    (tmp_path / ".saving-abc").mkdir()
    (tmp_path / ".saving-abc" / "weights.safetensors").write_bytes(b"half")
    assert load(tmp_path, config, items) is None
    save(tmp_path, weights(config, 1), config, items)
    assert [path.name for path in tmp_path.iterdir()] == ["weights-00000001"]


def test_another_network_is_refused_by_what_differs(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    save(tmp_path, weights(config, 1), config, items)
    with pytest.raises(CheckpointError, match="hidden_size 12 there, 16 here"):
        load(tmp_path, replace(config, hidden_size=16), items)
    with pytest.raises(CheckpointError, match="allow_repeats False there, True here"):
        load(tmp_path, replace(config, allow_repeats=True), items)
    assert load(tmp_path, replace(config, dtype="bfloat16", seed=99), items) is not None


def test_another_item_register_is_refused(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    save(tmp_path, weights(config, 1), config, items)
    shorter, other = ItemVocabulary(100), ItemVocabulary(100)
    shorter.add("i0")
    for number in range(30):
        other.add(f"x{number}")
    with pytest.raises(CheckpointError, match="only 1"):
        load(tmp_path, config, shorter)
    with pytest.raises(CheckpointError, match="another item register"):
        load(tmp_path, config, other)
    items.add("i30")
    assert load(tmp_path, config, items) is not None


def test_bad_weights_are_not_saved(tmp_path: Path, config: ModelConfig, items: ItemVocabulary) -> None:
    bad = weights(config, 1)
    bad.tensors["item"][3] = torch.inf
    with pytest.raises(CheckpointError, match="not finite"):
        save(tmp_path, bad, config, items)
    assert list(tmp_path.iterdir()) == []
