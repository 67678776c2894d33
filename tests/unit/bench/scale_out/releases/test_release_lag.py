"""From commits and applied releases to lags."""

from __future__ import annotations

import numpy as np

from bench.scale_out.releases.follower_process import Applied
from bench.scale_out.releases.release_lag import release_lags
from bench.scale_out.releases.row_writer import CommittedRows


def applied(time_s: float, **covered: int) -> Applied:
    return Applied(time_s, 1, {int(partition[1:]): offset for partition, offset in covered.items()}, 0.1, 1.0)


def test_rows_lag_until_a_release_that_contains_those_of_all_partitions_is_applied() -> None:
    committed = [
        CommittedRows(10.0, {0: 5, 1: 3}, 8),
        CommittedRows(11.0, {0: 7}, 2),
        CommittedRows(12.0, {0: 9, 1: 8}, 7),
        CommittedRows(13.0, {0: 10}, 1),
    ]
    releases = [applied(9.0), applied(10.5, p0=5, p1=2), applied(12.5, p0=9, p1=7), applied(14.0, p0=9, p1=8)]
    assert release_lags(committed, releases).tolist() == [2.5, 1.5, 2.0, np.inf]


def test_without_a_release_rows_lag_for_ever() -> None:
    assert release_lags([CommittedRows(10.0, {0: 5}, 8)], []).tolist() == [np.inf]
