"""Releases as records and back: any parts, any chunk size, any compaction that Kafka may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from streams.releases.assembler import ReleaseAssembler
from streams.releases.chunks import PartChunks, parse_key, split_part
from streams.releases.release import Release
from tests.unit.streams.releases.records import Topic

PARTS = st.dictionaries(st.sampled_from(["dense", "gate", "items/0", "items/1", "counts#0"]), st.binary(max_size=9))
CHANGES = st.lists(PARTS, min_size=1, max_size=6)
REMOVED = st.lists(st.sets(st.sampled_from(["gate", "items/0", "items/1"])), min_size=6, max_size=6)


@given(st.text(min_size=1, max_size=30), st.binary(max_size=200), st.integers(1, 64))
def test_what_is_cut_is_joined(key: str, part: bytes, size: int) -> None:
    _, records = split_part(key, part, size)
    assert all(len(record.value or b"") <= size for record in records)
    chunks = PartChunks(records[0].headers)
    results = [chunks.add(parse_key(record.key)[1], record.headers, record.value or b"") for record in records]
    assert results == [None] * (len(records) - 1) + [part]


def written(changes: Sequence[dict[str, bytes]], removed: Sequence[set[str]]) -> tuple[Topic, list[dict[str, bytes]]]:
    """The topic after these releases, and the model after each."""
    topic, model, models = Topic(), dict[str, bytes](), []
    for parts, keys in zip(changes, removed, strict=False):
        changed: dict[str, bytes | None] = {**parts, **dict.fromkeys(keys - parts.keys())}
        topic.write(changed)
        model = {key: part for key, part in model.items() if key not in keys} | parts
        models.append(model)
    return topic, models


def applied(model: Mapping[str, bytes], release: Release) -> dict[str, bytes]:
    kept = {} if release.is_complete else {key: part for key, part in model.items() if key not in release.removed}
    return {**kept, **release.parts}


@given(CHANGES, REMOVED)
def test_a_follower_has_the_model_after_each_release(changes: list[dict[str, bytes]], removed: list[set[str]]) -> None:
    topic, models = written(changes, removed)
    assembler, model = ReleaseAssembler(), dict[str, bytes]()
    came = [result for record in topic.records if isinstance(result := assembler.add(record), Release)]
    assert len(came) == len(models)
    for release, expected in zip(came, models, strict=True):
        model = applied(model, release)
        assert model == expected
    merged = came[0]
    for release in came[1:]:
        merged = merged.followed_by(release)
    assert applied({}, merged) == models[-1]


@given(CHANGES, REMOVED, st.data())
def test_a_reader_of_a_compacted_topic_has_the_last_model(
    changes: list[dict[str, bytes]], removed: list[set[str]], data: st.DataObject
) -> None:
    topic, models = written(changes, removed)
    cleaned = data.draw(st.integers(0, len(topic.records)), label="records that the cleaner has seen")
    model: dict[str, bytes] = {}
    assembler = ReleaseAssembler()
    for record in topic.compacted(cleaned):
        result = assembler.add(record)
        if isinstance(result, Release):
            model = applied(model, result)
    assert model == models[-1]
