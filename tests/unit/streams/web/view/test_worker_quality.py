import time
from pathlib import Path

from state.options import StoreMemory
from state.ordered_store import OrderedStore
from streams.schema.quality import Means, WorkerQuality
from streams.web.view.batch import ViewBatch
from streams.web.view.keys import QUALITY
from streams.web.view.worker_quality import QualityRecords


def quality(worker: str, at_ms: int, recall: float, window: int = 100) -> WorkerQuality:
    return WorkerQuality(
        worker=worker, emitted_at=at_ms, model_version="1.1", events=1, scored=1, window=window, possible=window,
        popularity=Means(recall_at_10=0.1, mrr=None, log_loss=None), recall_at_10=recall, mrr=recall, log_loss=None,
    )  # fmt: skip


def test_the_last_hour_is_kept_in_fine_steps_and_the_time_before_in_coarse_ones(tmp_path: Path) -> None:
    store = OrderedStore(tmp_path / "view", StoreMemory(4 << 20))
    records, now_ms = QualityRecords(store), int(time.time() * 1000) // 30_000 * 30_000
    for second in range(-3900, 1, 5):
        batch = ViewBatch(store)
        records.put(quality("a", now_ms + second * 1000, 0.5), b"", batch)
        records.put(quality("b", now_ms + second * 1000, 0.1, window=300), b"", batch)
        store.write(batch.changes)
    fine, coarse = records.history(now_ms - 600_000), records.history(now_ms - 3_900_000)
    assert (len(fine), len(coarse)) == (121, 131)
    assert {round(point.recall_at_10 or 0, 6) for point in fine} == {0.2}
    assert [point.emitted_at for point in fine] == sorted(point.emitted_at for point in fine)
    assert len(list(store.scan(QUALITY))) == 2 * (721 + 131)
    store.close()
