import pytest

from streams.kafka.transaction import ProducerRecord
from streams.kafka.undecodable import UndecodableRecord
from streams.releases.assembler import ReleaseAssembler
from streams.releases.chunks import split_part
from streams.releases.release import Release, ReleaseFault
from tests.unit.streams.releases.records import POSITION, Topic


@pytest.fixture
def topic() -> Topic:
    topic = Topic()
    topic.write({"dense": b"weights", "items/0": b"first", "gate": b"g"})
    return topic


def results(topic: Topic, assembler: ReleaseAssembler | None = None, begin: int = 0) -> list[Release | ReleaseFault]:
    assembler = assembler or ReleaseAssembler()
    return [result for record in topic.records[begin:] if (result := assembler.add(record)) is not None]


def released(topic: Topic) -> Release:
    (release,) = results(topic)
    assert isinstance(release, Release)
    return release


def faults(topic: Topic) -> list[tuple[int | None, str, str]]:
    return [(result.number, result.key, result.reason) for result in results(topic) if isinstance(result, ReleaseFault)]


def test_a_release_has_its_parts_and_what_it_covers(topic: Topic) -> None:
    release = released(topic)
    assert release.parts == {"dense": b"weights", "items/0": b"first", "gate": b"g"}
    assert (release.number, release.is_complete, release.manifest) == (1, True, b'{"version": 1}')
    assert (release.covered, release.writer) == (POSITION, "group-trainer")


def test_a_release_comes_with_its_last_record_and_not_before(topic: Topic) -> None:
    topic.records.pop()
    assert results(topic) == []


def test_the_next_release_has_what_changed(topic: Topic) -> None:
    topic.write({"items/1": b"second", "gate": None})
    _, second = results(topic)
    assert isinstance(second, Release)
    assert (dict(second.parts), set(second.removed), second.is_complete) == ({"items/1": b"second"}, {"gate"}, False)


def test_a_part_that_became_shorter_leaves_no_chunks_behind(topic: Topic) -> None:
    topic.write({"dense": b"w"})
    assert [record.key for record in topic.records if record.value is None][:2] == [b"dense#1", b"dense#2"]
    assert isinstance(results(topic)[1], Release)


@pytest.mark.parametrize("value", [b"XXX", b""])
def test_a_damaged_chunk_is_named_and_the_next_release_that_has_the_part_makes_up_for_it(
    topic: Topic, value: bytes
) -> None:
    topic.write({"dense": b"heavier"})
    topic.spoil(topic.index(b"dense#1"), value)
    topic.write({"items/0": b"other"})
    topic.write({"dense": b"lighter"})
    first, second, third, fourth = results(topic)
    reason = "its bytes are not those that its SHA-256 is of"
    assert second == ReleaseFault(2, "dense", reason)
    assert third == ReleaseFault(3, "dense", f"since an earlier release, {reason}")
    assert isinstance(fourth, Release)
    assert fourth.parts == {"dense": b"lighter", "items/0": b"other"}
    assert not fourth.is_complete
    assert isinstance(first, Release)
    assert first.followed_by(fourth).parts == {"dense": b"lighter", "items/0": b"other", "gate": b"g"}


def test_a_missing_chunk_is_named(topic: Topic) -> None:
    topic.write({"dense": b"heavier"})
    del topic.records[topic.index(b"dense#2")]
    assert faults(topic) == [(2, "dense", "chunks of it are missing")]


def test_a_missing_part_is_named(topic: Topic) -> None:
    topic.write({"gate": b"h"})
    del topic.records[topic.index(b"gate#0")]
    assert faults(topic) == [(2, "gate", "it is not what the manifest lists")]


def test_a_release_that_was_not_read_is_noticed_by_the_digest(topic: Topic) -> None:
    lost = topic.write({"gate": b"h"})
    topic.write({"items/0": b"other"})
    del topic.records[lost[0] : lost[-1] + 1]
    ((number, key, reason),) = faults(topic)
    assert (number, key) == (3, "digest")
    assert "not all as the trainer wrote them" in reason


def test_a_part_of_another_writer_is_named(topic: Topic) -> None:
    topic.append(split_part("gate", b"x", 3)[1][0])
    topic.write({"items/0": b"other"})
    assert faults(topic) == [(2, "gate", "was written by somebody else than the trainer")]


def test_a_release_of_the_whole_model_mends_everything(topic: Topic) -> None:
    lost = topic.write({"gate": b"h", "more": b"m"})
    topic.append(split_part("foreign", b"x", 3)[1][0])
    topic.append(split_part("torn", b"x" * 9, 3)[1][0])
    topic.write({"dense": b"all", "items/0": b"new"}, full=True)
    del topic.records[lost[0] : lost[-1] + 1]
    first, second = results(topic)
    assert isinstance(second, Release)
    assert second.is_complete
    assert second.parts == {"dense": b"all", "items/0": b"new"}
    assert isinstance(first, Release)
    assert first.followed_by(second) is second


def test_records_that_are_no_chunks_are_named_and_change_nothing(topic: Topic) -> None:
    begin = len(topic.records)
    topic.append(ProducerRecord(b"stray", b"x"))
    topic.append(ProducerRecord(b"manifest#0", b"{}", split_part("manifest", b"[]", 3)[1][0].headers))
    topic.append(split_part("manifest", b"[]", 3)[1][0])
    topic.append(split_part("manifest", b'{"format": 2}', 99)[1][0])
    topic.append(split_part("manifest", b"[" * 100_000, 100_000)[1][0])
    topic.append(ProducerRecord(b"manifest#1", None))
    topic.write({"items/0": b"other"})
    stray, damaged, wrong, newer, deep, good = results(topic)[1:]
    assert stray == ReleaseFault(None, f"offset {begin}", "a record that no trainer writes")
    assert damaged == ReleaseFault(None, "manifest", "its bytes are not those that its SHA-256 is of")
    for fault, text in ((wrong, "is not a manifest"), (newer, "of format 2, this program reads 1"), (deep, "")):
        assert isinstance(fault, ReleaseFault)
        assert fault.key == "manifest"
        assert text in fault.reason
    assert isinstance(good, Release)


def test_what_cannot_be_decoded_is_a_fault() -> None:
    record = UndecodableRecord("t", 0, 5, -1, 0, None, b"", None, -1, 0, (), "corrupt_batch", "offsets 3 to 5")
    assert ReleaseAssembler().add(record) == ReleaseFault(None, "offset 5", "offsets 3 to 5")


def test_a_release_is_as_large_as_what_changed(topic: Topic) -> None:
    topic.write({f"items/{number}": b"x" for number in range(500)})
    topic.write({"gate": b"x"})  # removes the chunks of the manifest before it, which was large
    fresh = Topic()
    fresh.write({"gate": b"x"})
    assert abs(len(topic.write({"gate": b"y"})) - len(fresh.write({"gate": b"y"}))) < 5  # digits of numbers


def test_a_trainer_that_reads_its_releases_after_it_wrote_more_finds_them_complete(topic: Topic) -> None:
    assembler = ReleaseAssembler()
    results(topic, assembler)
    heir = Topic()
    heir.releases.resume(assembler.inventory, assembler.manifest_chunks, assembler.number)
    heir.write({"gate": b"h"})
    heir.write({"dense": b"heavier"})
    heir.write({"items/0": None})
    came = results(heir, assembler)
    assert [result.number for result in came if isinstance(result, Release)] == [2, 3, 4]


def test_keys_and_manifests_that_are_refused(topic: Topic) -> None:
    with pytest.raises(ValueError, match="no part may have the key 'manifest'"):
        topic.write({"manifest": b""})
    with pytest.raises(ValueError, match="is not JSON"):
        topic.releases.of({}, b"{", POSITION, full=False)
