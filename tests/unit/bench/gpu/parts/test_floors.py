import pytest

from bench.gpu.parts.floors import step_work
from models.config import ModelConfig


def test_work_grows_with_events_and_items() -> None:
    config = ModelConfig()
    operations, moved = step_work(10, 1000, config)
    assert operations == 2 * 10 * (1000 * 64 + 4 * 128 * (64 + 128) + 50 * 64 * 4)
    assert moved == 1000 * (4 * 64 + 32) + 10 * (4 * 50 * 64 + 8 * 1000)
    assert step_work(20, 1000, config)[0] == 2 * operations


def test_half_as_wide_numbers_move_fewer_bytes() -> None:
    narrow, wide = (step_work(1, 10_000, ModelConfig(dtype=dtype))[1] for dtype in ("bfloat16", "float32"))
    assert narrow / wide == pytest.approx(0.57, abs=0.02)
