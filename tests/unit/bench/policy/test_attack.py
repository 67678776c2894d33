import numpy as np
import pytest

from bench.policy import attack


def test_the_guard_keeps_a_pushed_item_out_of_the_slates_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attack, "ATTACKED", ("greedy",))
    monkeypatch.setattr(attack, "SHARES", (0.0, 0.1))
    figures = attack.measure_attacks([1], 40, lambda done, total: None)
    without, guarded = (np.array(figures["greedy"][key]["slates_with_item"]) for key in ("no_guard", "guard"))
    assert without[1] > without[0] + 0.03
    assert guarded[1] < without[1] - 0.02
