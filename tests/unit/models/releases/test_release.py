"""Releases as bytes."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import WeightsError
from models.releases.release import BLOCK_ITEMS, Manifest, Release, in_blocks

MANIFEST = Manifest(lineage=7, version=12, counted_events=300, counted_with_item=290)


def release(items: int = 300) -> Release:
    random = np.random.default_rng(0)
    item = in_blocks(np.array([3, 260]), items)
    counted = in_blocks(np.array([140]), items)
    return Release(
        MANIFEST,
        {"gap": random.normal(size=(3, 4)).astype(np.float32), "log_scale": np.ones(1, np.float32)},
        item,
        {
            "weight": random.normal(size=(len(item), 4)).astype(np.float32),
            "bias": np.arange(len(item), dtype=np.float32),
        },
        counted,
        {
            "popularity.counts": random.random((4, len(counted))),
            "successors.items": random.integers(0, 9, (len(counted), 2, 16)).astype(np.int32),
        },
        {"value.w": np.ones(3)},
    )


def assert_same(one: Release, other: Release) -> None:
    assert one.manifest == other.manifest
    for name in ("item", "counted"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("shared", "embeddings", "counts", "gate"):
        arrays, others = getattr(one, name), getattr(other, name)
        assert arrays.keys() == others.keys()
        for key, array in arrays.items():
            np.testing.assert_array_equal(array, others[key])


def test_parts_are_by_block_and_give_the_release_again() -> None:
    made = release()
    parts = made.parts()
    assert set(parts) == {"shared", "gate", "items/0", "items/2", "counts/1"}
    assert_same(Release.of(dict(reversed(parts.items())), Manifest.decode(MANIFEST.encode())), made)


def test_blocks_are_complete_up_to_the_last_item() -> None:
    assert in_blocks(np.array([5]), 300).tolist() == list(range(1, BLOCK_ITEMS))
    assert in_blocks(np.array([290, 300]), 300).tolist() == list(range(256, 301))
    assert in_blocks(np.zeros(0, np.int64), 300).tolist() == []


def test_newest_parts_of_all_releases_are_the_complete_model() -> None:
    first, second = release(), release()
    second.embeddings["weight"][:] += 1
    parts = first.parts() | {name: part for name, part in second.parts().items() if name == "items/2"}
    whole = Release.of(parts, MANIFEST)
    np.testing.assert_array_equal(whole.item, first.item)
    changed = whole.embeddings["weight"] != first.embeddings["weight"]
    np.testing.assert_array_equal(changed.all(1), first.item >= 256)


def test_nothing_has_no_parts() -> None:
    empty = Release.of({}, MANIFEST)
    assert empty.parts() == {}
    assert len(empty.item) == len(empty.counted) == 0


@pytest.mark.parametrize("damage", [lambda part: part[:-7], lambda part: b"x" * len(part)])
def test_a_damaged_part_is_named(damage: object) -> None:
    parts = release().parts()
    parts["items/2"] = damage(parts["items/2"])  # type: ignore[operator]
    with pytest.raises(WeightsError, match="items/2"):
        Release.of(parts, MANIFEST)


def test_numbers_that_are_not_finite_are_refused() -> None:
    made = release()
    made.embeddings["bias"][3] = np.nan
    with pytest.raises(WeightsError, match="items/0 of a release is not finite"):
        Release.of(made.parts(), MANIFEST)


def test_a_damaged_manifest_is_refused() -> None:
    for manifest in (b"", b"{", b"[]", b'{"version": 1}', b'{"lineage": 1, "version": 2, "counted_events": 3, "x": 4}'):
        with pytest.raises(WeightsError, match="manifest"):
            Manifest.decode(manifest)
