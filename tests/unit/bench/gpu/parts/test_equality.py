from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.gpu.part import Deadline, Figures, GpuRun, PartFailed
from bench.gpu.parts import equality
from bench.gpu.parts.equality import TOLERANCES
from bench.gpu.sizes import SMALL
from models.inference.engine import Engine
from models.inference.step_result import StepResult

RUN = GpuRun(torch.device("cpu"), replace(SMALL, compared_items=40, compared_events=12), Path("nowhere"))


def test_the_cpu_equals_itself() -> None:
    figures: Figures = {}
    equality.measure(RUN, Deadline(600), figures)
    assert set(figures) == {
        f"{dtype}, repeats {repeats}" for dtype in TOLERANCES for repeats in ("allowed", "filtered")
    }
    for repeats in ("allowed", "filtered"):
        differences = figures[f"float32, repeats {repeats}"]
        assert [differences[name] for name in ("state", "total_variation", "log_p", "gradient", "gate")] == [0] * 5
        assert differences["unequal"] == []
    assert "4 compared" in equality.summary(figures) or "2 compared" in equality.summary(figures)


def test_other_numbers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    step, calls = Engine.step, []

    def changed(*arguments: object) -> StepResult:
        result: StepResult = step(*arguments)  # type: ignore[arg-type]  # passed on as they came
        calls.append(result)
        if len(calls) == 6:  # the last of the second engine
            result.rows["h"] += np.float16(0.5)
            result.rows["ring_gap"][0] += 1
            result.predictions.item_p[0] = 0.5
        return result

    monkeypatch.setattr(Engine, "step", changed)
    with pytest.raises(PartFailed) as raised:
        equality.measure(RUN, Deadline(600), {})
    for fault in ("state differs", "total_variation differs", "not equal: ring_gap"):
        assert fault in str(raised.value)
