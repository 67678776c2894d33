import json
from pathlib import Path

import numpy as np
import pytest

from bench.policy.new_items import measure_new_items
from bench.policy.report import NEW_ITEM_ROWS


def test_items_without_events_are_not_predicted_and_all_others_together_are_certain(tmp_path: Path) -> None:
    random, events = np.random.default_rng(0), 600
    lines = [
        {"user_id": f"u{user}", "event_type": "click", "item_id": f"i{item}", "timestamp": 1_700_000_000_000 + index}
        for index, (user, item) in enumerate(
            zip(random.integers(0, 30, events), random.integers(0, 40 + np.arange(events) // 10), strict=True)
        )
    ]
    log, progress = tmp_path / "log.jsonl", []
    log.write_text("\n".join(json.dumps(line) for line in lines))
    (rows,) = measure_new_items([str(log)], tmp_path, lambda done, total: progress.append((done, total))).values()
    assert progress[-1] == (events, events)
    assert list(rows) == list(NEW_ITEM_ROWS)
    assert rows["0"]["predicted"] == 0 < rows["0"]["events"]
    scored = sum(row["events"] for row in rows.values())
    assert scored == events - 128
    assert sum(row["predicted"] for row in rows.values()) == pytest.approx(scored, abs=0.5)
