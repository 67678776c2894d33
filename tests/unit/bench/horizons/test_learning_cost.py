from __future__ import annotations

from bench.cost.workload import Workload
from bench.horizons.learning_cost import learning_cost
from bench.horizons.report import learning_table


def test_heads_are_measured_beside_the_network() -> None:
    done: list[int] = []
    cost = learning_cost(lambda now, total: done.append(total - now), Workload(items=40, users=20), 1, 1)
    assert done == list(range(8))[::-1]
    assert min(cost["note_us"], cost["labels_ms"], cost["train_step_us"]) > 0
    assert learning_table(cost).row_count == 3
