"""The path of another device, run on the CPU: `is_host` is false, so that nothing is shared or read in between."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.gpu.host_reads import HostReads
from models import transfers
from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.experts import candidates, cooccurrence, count_experts, outputs
from models.inference.engine import Engine
from models.inference.step_result import StepResult
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network import recurrence
from models.transfers import to_device, to_host

CPU = torch.device("cpu")
ARRAYS: list[NDArray[Any]] = [
    np.arange(5, dtype=np.uint8),
    np.arange(6, dtype=np.int64).reshape(2, 3),
    np.zeros((0, 4), np.float32),
    np.array([True, False, True]),
    np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)[:, ::2],
    np.arange(3, dtype=np.float16),
    np.ones((2, 2), np.float64),
]


@pytest.fixture
def other_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU counts as a device that is not the host."""
    for module in (transfers, candidates, cooccurrence, count_experts, outputs, recurrence):
        monkeypatch.setattr(module, "is_host", lambda device: False)


def random_batches(items: int, count: int = 3) -> Iterator[EventBatch]:
    random = np.random.default_rng(5)
    for number in range(count):
        yield EventBatch(
            user=np.sort(random.integers(0, 12, 60)),
            item=random.integers(0, items + 1, 60),
            type=random.integers(0, len(EVENT_TYPES), 60),
            time_ms=10**12 + 10**8 * number + random.integers(0, 10**8, 60),
            value=random.normal(2, 2, 60).astype(np.float32),
            text=[f"word{word}" if word % 5 == 0 else "" for word in random.integers(0, 100, 60)],
        )


def steps(config: ModelConfig, broken: bool = False) -> list[StepResult]:
    items = ItemVocabulary(50, ItemContent(config))
    for number in range(50):
        items.describe(f"i{number}", f"Title {number}", [f"c{number % 4}"])
        items.add(f"i{number}")
    engine, rows, results = Engine(config, items), new_user_states(config, 12), []
    for batch in random_batches(50):
        results.append(engine.step(batch, rows))
        rows = results[-1].rows
        if broken:
            engine.score(batch, rows)
            rows["h"][2] = np.nan
    return results


def test_arrays_of_all_types_go_there_and_back_in_one_copy(other_device: None) -> None:
    tensors = to_device(ARRAYS, CPU)
    for array, tensor in zip(ARRAYS, tensors, strict=True):
        assert tensor.shape == array.shape
        np.testing.assert_array_equal(tensor.numpy(), array)
    for array, back in zip(ARRAYS, to_host(tensors), strict=True):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1


def test_tensors_that_are_not_contiguous_come_back_as_they_are(other_device: None) -> None:
    tensor = torch.arange(12.0).view(3, 4).T
    expanded = torch.ones(1, 3).expand(2, 3)
    transposed, repeated = to_host([tensor, expanded])
    np.testing.assert_array_equal(transposed, tensor.numpy())
    np.testing.assert_array_equal(repeated, np.ones((2, 3)))


def test_on_the_cpu_memory_is_shared() -> None:
    array = np.zeros(3)
    (tensor,) = to_device([array], CPU)
    tensor += 1
    assert array.tolist() == [1, 1, 1]
    (back,) = to_host([tensor])
    assert np.shares_memory(back, array)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"allow_repeats": False},
    {"experts": False},
    {"long_term": True, "num_layers": 2},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("broken", [False, True])
def test_a_step_on_another_device_gives_what_the_cpu_gives(
    config: ModelConfig, variant: dict[str, Any], broken: bool, request: pytest.FixtureRequest
) -> None:
    config = replace(config, **({"allow_repeats": True} | variant))
    expected = steps(config, broken)
    request.getfixturevalue("other_device")
    for ours, theirs in zip(steps(config, broken), expected, strict=True):
        for name in ours.rows.dtype.names or ():
            np.testing.assert_allclose(ours.rows[name].astype(float), theirs.rows[name].astype(float), atol=1e-3)
        np.testing.assert_array_equal(ours.nonfinite_rows, theirs.nonfinite_rows)
        for name in ("item_p", "category_p", "because_weight", "carried_by"):
            np.testing.assert_allclose(
                getattr(ours.predictions, name), getattr(theirs.predictions, name), atol=1e-5, err_msg=name
            )
        assert ours.sample is not None
        assert theirs.sample is not None
        np.testing.assert_allclose(ours.sample.log_p, theirs.sample.log_p, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_step_waits_for_the_device_in_copies_to_the_host_alone(
    config: ModelConfig, variant: dict[str, Any], other_device: None
) -> None:
    config = replace(config, **({"allow_repeats": True} | variant))
    items = ItemVocabulary(50)
    for number in range(50):
        items.add(f"i{number}")
    engine, rows = Engine(config, items), new_user_states(config, 12)
    first, second = random_batches(50, 2)
    rows = engine.step(first, rows).rows
    with HostReads() as reads:
        engine.step(second, rows)
    assert not reads.counts


def test_rows_and_predictions_come_back_in_few_copies(
    config: ModelConfig, other_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[int] = []
    cat = torch.cat

    def counted(tensors: Any, *arguments: Any) -> Tensor:
        if all(tensor.dtype == torch.uint8 for tensor in tensors):
            copies.append(len(tensors))
        return cat(tensors, *arguments)

    monkeypatch.setattr(torch, "cat", counted)
    steps(replace(config, allow_repeats=True))
    # A step: the states; for sample and predictions each the gate's features; two ranks and the gate's examples of the
    # sample; the top items, and what they come from.
    assert len(copies) <= 3 * 8, copies
