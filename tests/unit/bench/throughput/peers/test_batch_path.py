import numpy as np

from bench.throughput.peers.batch_path import RowCopy
from models.data.events import EventBatch


def test_the_copy_is_of_the_rows_and_predicts_for_each_event() -> None:
    batch = EventBatch(np.array([0, 0, 1]), np.array([5, 6, 7]), np.zeros(3, np.int64), np.zeros(3, np.int64))
    rows = np.zeros(2, dtype=[("h", "<f2", (4,))])
    rows["h"] = 1.5
    step = RowCopy().step(batch, rows, "event")
    assert step.rows is not rows
    assert step.rows.tobytes() == rows.tobytes()
    predictions = step.predictions
    assert predictions.event.tolist() == [0, 1, 2]
    assert predictions.item[:, 0].tolist() == [5, 6, 7]
    np.testing.assert_allclose(predictions.item_p.sum(1) + predictions.other_p, 1, rtol=1e-6)
