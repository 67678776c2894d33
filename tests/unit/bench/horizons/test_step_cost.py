from __future__ import annotations

from bench.cost.workload import Workload
from bench.horizons.report import cost_table
from bench.horizons.step_cost import step_cost


def test_each_size_is_measured_with_and_without_the_outlook() -> None:
    done: list[int] = []
    costs = step_cost(
        1, lambda now, total: done.append(total - now), (1, 8), Workload(items=40, users=20), round_events=8
    )
    assert costs.keys() == {"1", "8"}
    assert all(values["with_us"] > 0 and values["without_us"] > 0 for values in costs.values())
    assert done == [3, 2, 1, 0]
    assert cost_table(costs).row_count == 2
