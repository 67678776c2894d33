import threading
import tracemalloc

import numpy as np
import pytest

from models.config import ModelConfig
from models.errors import ItemCapacityError
from models.items.content import ItemContent
from models.items.slots import Registration
from models.items.vocabulary import ItemVocabulary


def test_index_is_the_order_of_first_appearance() -> None:
    items = ItemVocabulary(10)
    assert [items.add(name) for name in ("b", "a", "b", "c", "a")] == [1, 2, 1, 3, 2]
    assert len(items) == 3
    assert [items.id(index) for index in (1, 2, 3)] == ["b", "a", "c"]
    assert (items.slot("c"), items.slot("unknown")) == (3, None)


def test_one_item_too_many_names_the_setting() -> None:
    items = ItemVocabulary(2)
    items.add("a")
    items.add("b")
    with pytest.raises(ItemCapacityError, match=r"items\.capacity"):
        items.add("c")
    assert items.add("a") == 1
    assert len(items) == 2


def test_description_may_come_before_the_item() -> None:
    items = ItemVocabulary(10)
    items.describe("a", "Early", ["x"])
    index = items.add("a")
    assert items.title(index) == "Early"
    item, category, share = items.category_rows()
    assert (item.tolist(), category.tolist(), share.tolist()) == ([1], [0], [1.0])


def test_newest_description_wins_and_categories_share_an_item() -> None:
    items = ItemVocabulary(10)
    index = items.add("a")
    items.describe("a", "Old", ["x"])
    items.describe("a", "New", ["y", "z", "y"])
    assert items.title(index) == "New"
    _, category, share = items.category_rows()
    assert [items.categories[number] for number in category] == ["y", "z"]
    assert share.tolist() == [0.5, 0.5]


def test_many_categories_fit() -> None:
    items = ItemVocabulary(10)
    items.add("plain")
    items.describe("many", "", [f"c{number}" for number in range(23)])
    items.add("many")
    item, category, share = items.category_rows()
    assert set(item) == {2}
    assert sorted(category) == list(range(23))
    assert share.sum() == pytest.approx(1)


def test_forgotten_item_is_inactive_until_described_anew() -> None:
    items = ItemVocabulary(10)
    index = items.add("a")
    items.describe("a", "Title", ["x"])
    items.forget("a")
    assert not items.active()[index]
    assert items.title(index) == ""
    assert len(items.category_rows()[0]) == 0
    assert items.add("a") == index
    assert not items.active()[index]
    items.describe("a", "Again", [])
    assert items.active()[index]


def test_item_may_be_forgotten_before_it_is_added() -> None:
    items = ItemVocabulary(10)
    items.forget("a")
    items.add("a")
    assert items.active().tolist() == [False, False]


def test_version_changes_with_what_may_be_predicted_only() -> None:
    items = ItemVocabulary(10)
    items.add("a")
    assert items.version == 0
    items.describe("a", "", ["x"])
    described = items.version
    assert described > 0
    items.describe("unknown", "", ["x"])
    assert items.version == described
    items.forget("a")
    assert items.version > described


def test_digest_depends_on_order_and_boundaries() -> None:
    def digest(*names: str) -> str:
        items = ItemVocabulary(10)
        for name in names:
            items.add(name)
        return items.digest(len(names))

    assert digest("a", "b") == digest("a", "b")
    assert len({digest("a", "b"), digest("b", "a"), digest("ab"), digest("a"), digest()}) == 5


def test_digest_of_a_prefix_outlives_growth() -> None:
    items = ItemVocabulary(10)
    items.add("a")
    before = items.digest(1)
    items.add("b")
    assert items.digest(1) == before
    with pytest.raises(ValueError, match="3 items"):
        items.digest(3)


def test_tables_grow_with_the_items() -> None:
    items = ItemVocabulary(5000)
    for number in range(3000):
        items.add(str(number))
    items.describe("2999", "Last", ["x"])
    assert items.active().sum() == 3000
    assert items.category_rows()[0].tolist() == [3000]


def test_threads_that_add_the_same_ids_agree() -> None:
    items = ItemVocabulary(2000)
    results: list[list[int]] = []

    def add_all() -> None:
        results.append([items.add(str(number)) for number in range(1000)])

    threads = [threading.Thread(target=add_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(items) == 1000
    assert all(result == results[0] for result in results)
    assert np.unique(results[0]).size == 1000


def test_one_item_with_many_categories_takes_no_memory_of_others() -> None:
    items = ItemVocabulary(100_000)
    for number in range(100_000):
        items.add(str(number))
    tracemalloc.start()
    items.describe("5", "", [f"c{number}" for number in range(100)])
    items.describe("6", "", ["c1", "c99"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    item, category, share = items.category_rows()
    assert item.tolist() == [6] * 100 + [7] * 2
    assert category.tolist() == [*range(100), 1, 99]
    assert share.tolist() == pytest.approx([0.01] * 100 + [0.5] * 2)
    assert peak < 1 << 20  # a column for each of them would take 40 MB


def test_descriptions_that_wait_for_their_items_are_bounded() -> None:
    items = ItemVocabulary(3)
    for number in range(10):
        items.describe(str(number), f"title {number}", [])
    titles = [items.title(items.add(str(number))) for number in (6, 7, 9)]
    assert titles == ["", "title 7", "title 9"]
    for number in range(10, 20):
        items.describe(str(number), "title", [])
    assert len(items._waiting) == 3


def test_an_evicted_item_leaves_nothing_in_its_slot() -> None:
    content = ItemContent(ModelConfig(device="cpu", features=2))
    assert content.encoder is not None
    items = ItemVocabulary(1, content)
    items.describe("a", "Title", ["x"], "text", [1.0, 2.0], protected=True)
    items.add("a")
    content.review(np.array([1]), np.ones((1, content.encoder.width), np.float32))
    content.refresh()
    version = items.version
    items.apply("b", Registration(1, [1]))
    content.refresh()
    assert (items.id(1), items.slot("a"), items.title(1), len(items)) == ("b", None, "", 1)
    assert len(items.category_rows()[0]) == 0
    assert items.version > version
    assert not content.rows(np.array([1])).any()
    assert content.state() == {}
    assert [len(registration.candidates) for registration in items.registrations(1)] == [1]


def test_an_evicted_item_that_comes_back_is_described_as_before() -> None:
    content = ItemContent(ModelConfig(device="cpu", features=2))
    items = ItemVocabulary(1, content)
    items.add("a")
    items.describe("a", "Title", ["x"], "text", [1.0, 2.0])
    content.refresh()
    before = content.rows(np.array([1]))
    assert before.any()
    items.apply("b", Registration(1, [1]))
    items.apply("a", Registration(1, [2]))
    content.refresh()
    assert items.title(1) == "Title"
    assert items.category_rows()[0].tolist() == [1]
    np.testing.assert_array_equal(content.rows(np.array([1])), before)


def test_a_deleted_item_that_was_evicted_comes_back_inactive() -> None:
    items = ItemVocabulary(1)
    items.add("a")
    items.forget("a")
    items.apply("b", Registration(1, [1]))
    assert items.active().tolist() == [False, True]
    items.apply("a", Registration(1, [2]))
    assert items.active().tolist() == [False, False]


def test_without_descriptions_a_new_holder_changes_nothing_that_may_be_predicted() -> None:
    items = ItemVocabulary(1)
    items.add("a")
    items.apply("b", Registration(1, [1]))
    assert items.version == 0


def test_deleted_items_are_evicted_first_and_protected_ones_never() -> None:
    items = ItemVocabulary(4)
    items.describe("protected", "", [], protected=True)
    for name in ("protected", "old", "deleted", "new"):
        items.add(name)
    items.register.mark_seen(["new", "deleted"], 100)
    items.forget("deleted")
    assert [registration.candidates for registration in items.registrations(1)] == [[3, 2]]
    assert [registration.candidates for registration in items.registrations(3, spared=["old"])] == [[3], [4]]
    items.describe("protected", "", [])
    assert [registration.candidates for registration in items.registrations(1)] == [[3, 1]]


def test_newcomers_take_the_room_that_is_left_before_others_are_evicted() -> None:
    items = ItemVocabulary(3)
    items.add("a")
    assert items.registrations(2) == [Registration(3), Registration(3)]
    assert items.registrations(4, spared=["b"]) == [Registration(3), Registration(3), Registration(3, [1])]


def test_a_new_title_may_be_empty() -> None:
    items = ItemVocabulary(3)
    index = items.add("a")
    items.describe("a", "Title", [])
    items.describe("a", "", [])
    assert items.title(index) == ""
