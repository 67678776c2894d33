"""Checkpoints of the weights: one folder per version, written atomically, with a manifest of hashes.

weights-00000123/
    weights.safetensors  tensors of the network
    learner.safetensors  raw shared weights, optimizer moments, windows to replay (`OnlineLearner.state`); not in all
    experts.safetensors  counts and gate of the experts, means of the items' reviews (`Engine.experts`)
    items.json           ids of the items by slot: a new register can be filled from them where none was evicted
    manifest.json        format, version, lineage, lr_step, shape of the network, sha256 of each file, and of the items
                         count, digest, registrations that were read, and those that the rows of the tables follow
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.user_state import GAP_BUCKETS
from models.errors import CheckpointError
from models.experts.count_experts import largest_counted_item
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import ITEM_TABLES
from models.network.weights import Weights, trained_lineage
from models.text.encoder_factory import text_encoder

FORMAT: Final = 4

_PREFIX = "weights-"
_STAGING = ".saving-"
_TENSORS = "weights.safetensors"
_LEARNER = "learner.safetensors"
_EXPERTS = "experts.safetensors"
_ITEMS = "items.json"
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class DamagedCheckpoint:
    """A checkpoint that is not used because it is damaged."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def save(folder: Path, weights: Weights, config: ModelConfig, items: ItemVocabulary, keep: int = 3) -> Path:
    """Write a checkpoint and return its folder; it appears atomically. The lowest versions beyond `keep` are deleted.

    Only rows of known items are saved, so the checkpoint fits every register that continues this one.
    """
    if not weights.finite():
        raise CheckpointError(f"weights {weights.version} are not finite and were not saved; keep the last checkpoint")
    count = min(len(items), len(weights.tensors["item"]) - 1)
    count = max(count, largest_counted_item(weights.experts))
    registered = items.register.count
    followed = registered if weights.registered is None else weights.registered
    tensors = {
        name: tensor[: count + 1].contiguous() if name in ITEM_TABLES else tensor.contiguous()
        for name, tensor in weights.tensors.items()
    }
    blobs = {_TENSORS: save_tensors(tensors), _ITEMS: json.dumps(items.ids(count)).encode()}
    if weights.learner:
        blobs[_LEARNER] = save_tensors({name: _known_rows(name, t, count) for name, t in weights.learner.items()})
    if weights.experts:
        blobs[_EXPERTS] = save_arrays(dict(weights.experts))
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "version": weights.version,
        "lineage": weights.lineage,
        "lr_step": weights.lr_step,
        "shape": _shape(config),
        "items": {"count": count, "digest": items.digest(count), "registered": registered, "followed": followed},
        "sha256": {name: hashlib.sha256(blob).hexdigest() for name, blob in blobs.items()},
    }
    manifest["sha256"][_MANIFEST] = _manifest_hash(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.glob(f"{_STAGING}*"):
        shutil.rmtree(abandoned)
    target = folder / _name(weights.version)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=folder))
    try:
        for name, blob in blobs.items():
            _write(staging / name, blob)
        _write(staging / _MANIFEST, json.dumps(manifest, indent=2).encode())
        _sync(staging)
        if target.exists():
            shutil.rmtree(target)
        staging.rename(target)
        _sync(folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    for old in [path for path in _newest_first(folder) if path != target][max(keep, 1) - 1 :]:
        shutil.rmtree(old)
    return target


def load(folder: Path, config: ModelConfig, items: ItemVocabulary) -> Weights | None:
    """Load the newest undamaged weights; None where none were ever saved.

    CheckpointError where all are damaged (it names each), or where the newest undamaged ones were made for another
    network or another item register.
    """
    weights, damaged = load_newest(folder, config, items)
    if weights is None and damaged:
        listed = "\n".join(f"  {checkpoint}" for checkpoint in damaged)
        raise CheckpointError(
            f"no checkpoint can be used; restore one, or remove these to start with new weights:\n{listed}"
        )
    return weights


def exists(folder: Path) -> bool:
    """Whether anything was ever saved there, damaged or not."""
    return bool(_newest_first(folder))


def item_ids(folder: Path) -> list[str]:
    """Ids of the items that the newest undamaged checkpoint knows, in order of their indices; none without one.

    None either where items were evicted: their indices cannot be given again.
    """
    for path in _newest_first(folder):
        try:
            manifest, blobs = _read(path)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # `load` reports what is wrong with it
        ids: list[str] = json.loads(blobs[_ITEMS])
        return ids if manifest["items"].get("registered", len(ids)) <= len(ids) else []
    return []


def load_newest(
    folder: Path, config: ModelConfig, items: ItemVocabulary
) -> tuple[Weights | None, list[DamagedCheckpoint]]:
    """Load the newest undamaged weights, if any; also list the damaged checkpoints that are newer."""
    damaged: list[DamagedCheckpoint] = []
    for path in _newest_first(folder):
        try:
            manifest, blobs = _read(path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            damaged.append(DamagedCheckpoint(path, str(error) or type(error).__name__))
            continue
        _check_network(path, manifest, config)
        registered = _check_items(path, manifest, json.loads(blobs[_ITEMS]), items)
        experts = load_arrays(blobs[_EXPERTS]) if _EXPERTS in blobs else {}
        tensors = load_tensors(blobs[_TENSORS])
        learner = load_tensors(blobs[_LEARNER]) if _LEARNER in blobs else {}
        lineage = manifest.get("lineage") or trained_lineage(tensors)  # earlier releases saved none
        version, lr_step = int(manifest["version"]), int(manifest["lr_step"])
        return Weights(version, tensors, experts, lr_step, learner, int(lineage), registered), damaged
    return None, damaged


def _read(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    manifest: dict[str, Any] = json.loads((path / _MANIFEST).read_bytes())
    if manifest["format"] != FORMAT:
        raise ValueError(f"format {manifest['format']}, this program reads {FORMAT}")
    if manifest["sha256"][_MANIFEST] != _manifest_hash(manifest) or path.name != _name(manifest["version"]):
        raise ValueError(f"{_MANIFEST} is not as it was written")
    blobs = {name: (path / name).read_bytes() for name in manifest["sha256"] if name != _MANIFEST}
    for name, blob in blobs.items():
        if hashlib.sha256(blob).hexdigest() != manifest["sha256"][name]:
            raise ValueError(f"{name} is not what {_MANIFEST} says: torn or changed")
    return manifest, blobs


def _check_network(path: Path, manifest: dict[str, Any], config: ModelConfig) -> None:
    differing = [
        f"{name} {manifest['shape'].get(name)} there, {value} here"
        for name, value in _shape(config).items()
        if manifest["shape"].get(name) != value
    ]
    if differing:
        raise CheckpointError(
            f"{path} was made for another network ({'; '.join(differing)}): set it back, or point to another folder"
        )


def _check_items(path: Path, manifest: dict[str, Any], ids: list[str], items: ItemVocabulary) -> int:
    """How many registrations the checkpoint follows."""
    count, register = int(manifest["items"]["count"]), items.register
    # Earlier versions evicted none.
    registered, followed = (int(manifest["items"].get(name, count)) for name in ("registered", "followed"))
    if count > len(items) or registered > register.count:
        raise CheckpointError(
            f"{path} knows {registered} items, the item register only {register.count}: it belongs to another "
            "register, or the register was not read to its end; point to the register's own checkpoints, or "
            "train with --registered"
        )
    others = np.array([slot for slot in range(1, count + 1) if ids[slot - 1] != items.id(slot)], np.int64)
    if not np.isin(others, register.taken_over(followed)[1]).all():
        raise CheckpointError(
            f"the first {count} items are not those that {path} was made with: it belongs to another item register; "
            "point to the register's own checkpoints, train with --registered, or remove these to begin anew"
        )
    # Where rows follow what the ids do, the ids tell more: a log may have been trained by slots that were taken over.
    return followed if followed < registered else int(register.indices(others).min(initial=register.count + 1)) - 1


def _known_rows(name: str, tensor: Tensor, count: int) -> Tensor:
    """Of an item table's moments, named GROUP/TABLE.KEY, the rows of known items; any other tensor as it is."""
    is_table = name.rpartition("/")[2].rpartition(".")[0] in ITEM_TABLES and tensor.dim()
    return (tensor[: count + 1] if is_table else tensor).contiguous()


def _name(version: int) -> str:
    return f"{_PREFIX}{version:08d}"


def _manifest_hash(manifest: dict[str, Any]) -> str:
    """SHA-256 of everything in the manifest but this hash itself."""
    others = manifest | {"sha256": {name: sha for name, sha in manifest["sha256"].items() if name != _MANIFEST}}
    return hashlib.sha256(json.dumps(others, sort_keys=True).encode()).hexdigest()


def _shape(config: ModelConfig) -> dict[str, Any]:
    # Earlier versions had no numbers.
    numbers: dict[str, Any] = {"numbers": list(config.number_names)} if config.number_names else {}
    if config.profile_width:
        numbers["profile"] = [config.user_features, *config.user_number_names]
    return numbers | {
        "embedding_dim": config.embedding_dim,
        "hidden_size": config.hidden_size,
        "history_length": config.history_length,
        "allow_repeats": config.allow_repeats,
        "num_layers": config.num_layers,
        "attention": config.attention,
        "fusion": config.fusion,
        "long_term": config.long_term,
        "item_embeddings": config.item_embeddings,
        "objective": config.objective,
        "features": config.features,
        "text": _text_name(config),
        "event_types": list(EVENT_TYPES),
        "gap_buckets": GAP_BUCKETS,
    }


def _text_name(config: ModelConfig) -> str:
    """Name of the text encoder: weights that were trained with another one are useless."""
    text = text_encoder(config)
    return "none" if text is None else text.name


def _newest_first(folder: Path) -> list[Path]:
    paths = [path for path in folder.glob(f"{_PREFIX}*") if path.name.removeprefix(_PREFIX).isdigit()]
    return sorted(paths, key=lambda path: int(path.name.removeprefix(_PREFIX)), reverse=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
