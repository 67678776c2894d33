"""Releases as bytes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data.new_events import NewEvents
from models.errors import WeightsError
from models.releases.manifest import Manifest
from models.releases.pair_part import REGISTERED, pack_pairs
from models.releases.part_arrays import BLOCK_ITEMS, in_blocks
from models.releases.release import Release
from tests.unit.models.new_events import events_of

MANIFEST = Manifest(
    lineage=7,
    version=12,
    lr_step=9,
    counted_events=300,
    counted_with_item=290,
    items=300,
    quality={"scored": 0, "mrr": None},
)


def release(items: int = 300) -> Release:
    random = np.random.default_rng(0)
    item = in_blocks(np.array([3, 260]), items)
    counted, paired = in_blocks(np.array([140]), items), in_blocks(np.array([5, 140]), items)
    return Release(
        MANIFEST,
        {"gap": random.normal(size=(3, 4)).astype(np.float32), "log_scale": np.ones(1, np.float32)},
        item,
        {
            "weight": random.normal(size=(len(item), 4)).astype(np.float16),
            "bias": np.arange(len(item), dtype=np.float32),
        },
        counted,
        {"popularity.counts": random.random((len(counted), 4)), "counted": np.full((len(counted), 2), 300)},
        {"value.w": np.ones(3)},
        paired,
        pairs(len(paired), random),
        [events_of(3, 4, before=(5,)), events_of(), events_of(7)],
        np.array([5, 7, 290]),
        {"mean": random.normal(size=(3, 8)).astype(np.float16), "count": np.array([1, 2, 3], np.int32)},
    )


def pairs(items: int, random: np.random.Generator) -> dict[str, NDArray[Any]]:
    made: dict[str, NDArray[Any]] = {REGISTERED: np.full(items, 300)}
    for table in ("successors", "predecessors"):
        cells = random.integers(1, 300, (items, 2, 16)) * (random.random((items, 2, 16)) < 0.2)
        made[f"{table}.items"] = cells.astype(np.int32)
        made[f"{table}.counts"] = (random.random(cells.shape) * (cells > 0)).astype(np.float32)
        made[f"{table}.totals"] = random.random(items).astype(np.float32)
    return pack_pairs(made)


def assert_same(one: Release, other: Release) -> None:
    assert one.manifest == other.manifest
    for name in ("item", "counted", "paired", "reviewed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("shared", "embeddings", "counts", "gate", "pairs", "reviews"):
        arrays, others = getattr(one, name), getattr(other, name)
        assert arrays.keys() == others.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, others[key])
    assert len(one.unpaired) == len(other.unpaired)
    for events, other_events in zip(one.unpaired, other.unpaired, strict=True):
        for field in fields(NewEvents):
            np.testing.assert_array_equal(getattr(events, field.name), getattr(other_events, field.name))


def test_parts_are_by_block_and_give_the_release_again() -> None:
    made = release()
    parts = made.parts()
    assert set(parts) == {
        "shared",
        "gate",
        "unpaired",
        "items/0",
        "items/2",
        "counts/1",
        "pairs/0",
        "pairs/1",
        "reviews/0",
        "reviews/2",
    }
    assert_same(Release.of(dict(reversed(parts.items())), Manifest.decode(MANIFEST.encode())), made)


def test_blocks_are_complete_up_to_the_last_item() -> None:
    assert in_blocks(np.array([5]), 300).tolist() == list(range(BLOCK_ITEMS))
    assert in_blocks(np.array([290, 300]), 300).tolist() == list(range(256, 301))
    assert in_blocks(np.zeros(0, np.int64), 300).tolist() == []


def test_newest_parts_of_all_releases_are_the_complete_model() -> None:
    first, second = release(), release()
    second.embeddings["weight"][:] += 1
    parts = first.parts() | {name: part for name, part in second.parts().items() if name == "items/2"}
    complete = Release.of(parts, MANIFEST)
    np.testing.assert_array_equal(complete.item, first.item)
    changed = complete.embeddings["weight"] != first.embeddings["weight"]
    np.testing.assert_array_equal(changed.all(1), first.item >= 256)


def test_nothing_has_no_parts() -> None:
    empty = Release.of({}, MANIFEST)
    assert empty.parts() == {}
    assert len(empty.item) == len(empty.counted) == len(empty.paired) == len(empty.unpaired) == 0


@pytest.mark.parametrize("damage", [lambda part: part[:-7], lambda part: b"x" * len(part)])
def test_a_damaged_part_is_named(damage: object) -> None:
    parts = release().parts()
    parts["items/2"] = damage(parts["items/2"])  # type: ignore[operator]
    with pytest.raises(WeightsError, match="items/2"):
        Release.of(parts, MANIFEST)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["weight", "bias"])
def test_numbers_that_are_not_finite_are_refused(name: str, value: float) -> None:
    made = release()
    made.embeddings[name][3] = value
    with pytest.raises(WeightsError, match="items/0 of a release is not finite"):
        Release.of(made.parts(), MANIFEST)


def test_a_damaged_manifest_is_refused() -> None:
    for manifest in (b"", b"{", b"7", b"[]", b'{"version": 1}'):
        with pytest.raises(WeightsError, match="manifest"):
            Manifest.decode(manifest)


def test_a_manifest_of_a_newer_program_is_read() -> None:
    assert Manifest.decode(MANIFEST.encode().replace(b"{", b'{"added": [1], ', 1)) == MANIFEST
