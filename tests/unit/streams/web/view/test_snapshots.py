from functools import partial
from pathlib import Path

from state.options import StoreMemory
from state.ordered_store import OrderedStore
from streams.web.view.batch import ViewBatch
from streams.web.view.rows import Snapshot
from streams.web.view.snapshots import TIERS, Snapshots

BEGIN_MS = 1_800_000_000_000 // 3_600_000 * 3_600_000


def shot(users: int) -> Snapshot:
    return Snapshot(users, ["i"], [0.5], ["c"], [0.5])


def test_each_tier_keeps_its_time_and_the_past_is_found_in_the_finest(tmp_path: Path) -> None:
    store = OrderedStore(tmp_path / "view", StoreMemory(4 << 20))
    snapshots = Snapshots(store)
    assert snapshots.before(BEGIN_MS) is None
    assert snapshots.series(BEGIN_MS, 3_600_000, 10) == []
    seconds = list(range(3, 2 * 3600 + 4, 10))
    for second in seconds:  # two hours; the first look is late for every tier
        batch = ViewBatch(store)
        now_ms = BEGIN_MS - 600_000 + second * 1000
        snapshots.take(now_ms, partial(shot, second), batch)
        snapshots.take(now_ms + 1, lambda: shot(-1), batch)
        store.write(batch.changes)
    counts = [len(list(store.scan(tier.prefix))) for tier in TIERS]
    assert counts == [361, 121, 2]
    now_ms = BEGIN_MS - 600_000 + seconds[-1] * 1000
    snapshot = snapshots.before(now_ms - 30_000)
    assert snapshot is not None
    assert snapshot == (snapshot[0], shot(seconds[-1] - 30))
    assert 0 <= now_ms - 30_000 - snapshot[0] < 10_000
    oldest = snapshots.before(now_ms - 7_000_000)  # only minutes reach so far
    assert oldest is not None
    assert oldest[0] % 60_000 == 0
    first = snapshots.before(0)
    assert first == (BEGIN_MS - 600_000, shot(3))
    series = snapshots.series(now_ms, 3_600_000, 12)
    assert len(series) == 12
    assert series[-1][1] == shot(seconds[-1])
    assert [time for time, _ in series] == sorted({time for time, _ in series})
    assert len(Snapshots(store).series(now_ms, 86_400_000, 1000)) == 121
    store.close()


def test_a_time_that_nobody_has_seen_has_no_snapshot(tmp_path: Path) -> None:
    store = OrderedStore(tmp_path / "view", StoreMemory(4 << 20))
    batch = ViewBatch(store)
    Snapshots(store).take(BEGIN_MS + 59_000, lambda: shot(1), batch)
    assert batch.changes == {}
    store.close()
