"""Checkpoints in a folder and in an object store: that of fsspec in memory has buckets and no renaming."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import pytest

from streams.errors import StoreError
from streams.trainer.checkpoint_store import CANDIDATES, CheckpointStore


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointStore:
    return CheckpointStore(str(tmp_path / "store") if request.param == "folder" else f"memory://{uuid4()}/models")


def saved(folder: Path, version: int) -> Path:
    """Files as a checkpoint has them."""
    path = folder / f"weights-{version:08d}"
    path.mkdir(parents=True)
    (path / "weights.safetensors").write_bytes(b"tensors %d" % version)
    (path / "manifest.json").write_text(json.dumps({"version": version}))
    return path


def test_the_newest_checkpoints_are_kept_and_come_back_as_they_were(store: CheckpointStore, tmp_path: Path) -> None:
    for version in (1, 2, 11, 10):
        store.upload(saved(tmp_path / "here", version))
    assert store.manifests() == {f"weights-{n:08d}": {"version": n} for n in (11, 10, 2)}
    assert list(store.manifests()) == ["weights-00000011", "weights-00000010", "weights-00000002"]
    fetched = store.download("weights-00000011", tmp_path / "there")
    assert {file.name: file.read_bytes() for file in fetched.iterdir()} == {
        "weights.safetensors": b"tensors 11",
        "manifest.json": b'{"version": 11}',
    }
    assert store.download("weights-00000011", tmp_path / "there") == fetched
    assert [entry.name for entry in (tmp_path / "there").iterdir()] == ["weights-00000011"]


def test_candidates_lie_apart_and_one_that_is_not_complete_is_none(store: CheckpointStore, tmp_path: Path) -> None:
    checkpoint = saved(tmp_path / "here", 5)
    store.upload(checkpoint, CANDIDATES)
    (checkpoint / "manifest.json").unlink()
    store.upload(checkpoint)
    assert store.manifests() == {}
    assert list(store.manifests(CANDIDATES)) == ["weights-00000005"]
    for _ in range(2):
        store.remove("weights-00000005", CANDIDATES)
        assert store.manifests(CANDIDATES) == {}


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = CheckpointStore(str(tmp_path / "file" / "store"))
    with pytest.raises(StoreError, match=r"file/store cannot be used: "):
        store.upload(saved(tmp_path / "here", 1))
    with pytest.raises(StoreError, match=r"nosuch://bucket: .*nosuch"):
        CheckpointStore("nosuch://bucket")
    with pytest.raises(StoreError, match="there is no checkpoint weights-00000009"):
        CheckpointStore(str(tmp_path)).download("weights-00000009", tmp_path / "there")
