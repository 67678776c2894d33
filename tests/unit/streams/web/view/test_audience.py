from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.options import StoreMemory
from state.ordered_store import OrderedStore
from streams.schema.predictions import Prediction
from streams.web.view.audience import Audience
from streams.web.view.batch import ViewBatch
from streams.web.view.rows import Meta
from streams.web.view.segments import Segments
from streams.web.view.users import Users
from tests.inputs import FIRST_MS
from tests.unit.streams.web.predictions import prediction

HALF_LIFE_S = 60.0


class Site:
    """Users and their audience in one folder."""

    def __init__(self, folder: Path) -> None:
        self.store = OrderedStore(folder, StoreMemory(4 << 20))
        self.meta = Meta(1, "test")
        self.audience = Audience(HALF_LIFE_S)
        self.audience.load(self.store, self.meta)
        self.users = Users(self.store, self.audience, Segments(self.store), self.meta, 4)

    def put(self, *predictions: Prediction) -> None:
        batch = ViewBatch(self.store)
        for newest in predictions:
            self.users.put(newest, f"0:{newest.source.offset}", batch)
        self.write(batch)

    def erase(self, user: str) -> None:
        batch = ViewBatch(self.store)
        self.users.erase(user, batch)
        self.write(batch)

    def write(self, batch: ViewBatch) -> None:
        self.audience.store(batch)
        self.store.write(batch.changes)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "view")
    yield site
    site.store.close()


def expected_shares(newest: dict[str, Prediction]) -> dict[str, float]:
    """By the definition, weights relative to the newest of all."""
    now_ms = max((prediction.emitted_at for prediction in newest.values()), default=0)
    weights = {
        user: 2 ** (-(now_ms - prediction.emitted_at) / 1000 / HALF_LIFE_S) for user, prediction in newest.items()
    }
    shares: dict[str, float] = {}
    for user, of_user in newest.items():
        for item, p in zip(of_user.items, of_user.item_p, strict=True):
            shares[item] = shares.get(item, 0.0) + weights[user] * p / sum(weights.values())
    return shares


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 900),
        st.none() | st.dictionaries(st.sampled_from("xyz"), st.floats(0.01, 0.3), max_size=3),
    ),
    max_size=12,
)


@settings(max_examples=30)
@given(ACTIONS)
def test_shares_are_those_of_the_definition_and_survive_a_restart(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int, dict[str, float] | None]]
) -> None:
    """In any order of users and times: a user erased or replaced leaves the others' shares."""
    site = Site(tmp_path_factory.mktemp("audience"))
    newest: dict[str, Prediction] = {}
    for user, seconds, items in actions:
        if items is None:
            newest.pop(user, None)
            site.erase(user)
        else:
            newest[user] = prediction(user, 0, items, emitted_at=FIRST_MS + seconds * 1000)
            site.put(newest[user])
    expected = expected_shares(newest)
    again = Audience(HALF_LIFE_S)
    again.load(site.store, site.meta)
    for audience in (site.audience, again):
        shot = audience.snapshot()
        assert shot.users == len(newest)
        shares = dict(zip(shot.items, shot.item_share, strict=True))
        for item in "xyz":
            assert shares.get(item, 0.0) == pytest.approx(expected.get(item, 0.0), abs=1e-9)
            assert audience.item(item)[1] == sum(item in prediction.items for prediction in newest.values())
        assert shot.item_share == sorted(shot.item_share, reverse=True)
    site.store.close()


def test_a_user_who_was_silent_for_a_half_life_weighs_half(site: Site) -> None:
    site.put(
        prediction("old", items={"x": 1.0}, emitted_at=FIRST_MS),
        prediction("new", items={"y": 1.0}, emitted_at=FIRST_MS + int(HALF_LIFE_S * 1000)),
    )
    assert [site.audience.item(item)[0] for item in "xy"] == [pytest.approx(1 / 3), pytest.approx(2 / 3)]


def test_weights_stay_numbers_however_long_a_view_lives(site: Site) -> None:
    """More half-lives than a floating-point number has powers of two."""
    late_ms = FIRST_MS + int(1700 * HALF_LIFE_S * 1000)
    site.put(prediction("old", items={"x": 1.0}, emitted_at=FIRST_MS))
    site.put(prediction("new", items={"y": 0.5}, emitted_at=late_ms))
    site.put(prediction("newer", items={"z": 0.5}, emitted_at=late_ms))
    shot = site.audience.snapshot()
    assert dict(zip(shot.items, shot.item_share, strict=True)) == {"y": 0.25, "z": 0.25}
    assert site.audience.item("x") == (0.0, 1)
    again = Audience(HALF_LIFE_S)
    again.load(site.store, site.meta)
    assert again.snapshot() == shot


def test_history_keeps_the_newest_points_and_how_far_each_has_moved(site: Site) -> None:
    for number in range(6):
        drama = 0.8 if number == 5 else 0.5
        site.put(prediction("u", number, categories={"Drama": drama, "Crime": 1 - drama}))
    points = site.users.history("u")
    assert [point.state_version for point in points] == [5, 4, 3, 2]
    assert [point.moved for point in points] == [pytest.approx(0.3), 0.0, 0.0, 0.0]
    assert site.meta.users == 1


def test_an_erased_user_leaves_nothing_behind(site: Site) -> None:
    site.put(prediction("u", 1), prediction("u", 2), prediction("other", 3))
    site.erase("u")
    site.erase("never seen")
    assert site.users.get("u") is None
    assert site.users.history("u") == []
    assert [user for user, _ in site.users.listed("", "")] == ["other"]
    site.erase("other")
    assert site.meta.users == 0
    assert list(site.store.scan(b"u")) + list(site.store.scan(b"p")) + list(site.store.scan(b"a")) == []


def test_users_are_listed_in_order_from_a_prefix_on(site: Site) -> None:
    site.put(*(prediction(user) for user in ("b", "ab", "aa", "é", "a\x00c")))
    assert [user for user, _ in site.users.listed("", "")] == ["a\x00c", "aa", "ab", "b", "é"]
    assert [user for user, _ in site.users.listed("a", "aa")] == ["ab"]


def test_a_clock_ahead_outweighs_nobody(site: Site) -> None:
    site.put(prediction("u", emitted_at=FIRST_MS * 100))
    row = site.users.get("u")
    assert row is not None
    assert row.emitted_at < FIRST_MS * 2
