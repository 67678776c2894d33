"""Part `equality`: rows, predictions, counts and gradients on the device beside those of the CPU in float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from bench.gpu.part import Deadline, Figures, GpuRun, PartFailed
from bench.gpu.sizes import DTYPES, Dtype
from models.config import ModelConfig
from models.data.event_types import EVENT_TYPES
from models.data.events import EventBatch
from models.data.user_state import new_user_states
from models.device import require_dtype
from models.errors import UnsupportedDtypeError
from models.inference.engine import Engine
from models.inference.predictions import Predictions
from models.items.content import ItemContent
from models.items.vocabulary import ItemVocabulary
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights
from models.training.loss import SampledCandidates, gradients
from models.training.replay_buffer import last_windows

_BATCHES = 3
_NOISE = 0.1
"""Standard deviation of what is added to the initial weights, which alone predict nearly the same for all"""


@dataclass(frozen=True)
class Tolerance:
    """Largest differences from float32 on the CPU that pass."""

    state: float
    """Of a number of h or c, which are stored in half precision, relative where it is beyond 1"""
    total_variation: float
    """Of a distribution over all items: half of the sum of absolute differences"""
    log_p: float
    """Of the log-probability of the item that came, mean"""
    gradient: float
    """‖difference‖ / ‖gradient‖ of a parameter"""


# cuDNN's LSTM computes float32 in TF32 (10 bits of mantissa) unless torch is told otherwise, bfloat16 has 7.
TOLERANCES: Final[Mapping[Dtype, Tolerance]] = {
    "float32": Tolerance(state=5e-3, total_variation=2e-3, log_p=2e-3, gradient=1e-2),
    "bfloat16": Tolerance(state=5e-2, total_variation=1e-2, log_p=3e-2, gradient=5e-2),
}


@dataclass(frozen=True)
class _Output:
    """What one device computed."""

    rows: NDArray[np.void]
    distributions: list[NDArray[np.float64]]
    """[P, N + 1] of each batch"""
    log_p: NDArray[np.float64]
    counts: Mapping[str, NDArray[Any]]
    gradients: Mapping[str, NDArray[np.float64]]


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """Compare in each number type, repeats allowed and filtered; PartFailed where a difference is too large."""
    faults = []
    for allow_repeats in (True, False):
        reference = _compute(run, "cpu", "float32", allow_repeats)
        for dtype in DTYPES:
            deadline.check()
            name = f"{dtype}, repeats {'allowed' if allow_repeats else 'filtered'}"
            try:
                require_dtype(ModelConfig(device=str(run.device), dtype=dtype))
            except UnsupportedDtypeError as error:
                figures[name] = {"skipped": str(error)}
                continue
            differences = _differences(reference, _compute(run, str(run.device), dtype, allow_repeats))
            figures[name] = differences | {"tolerance": asdict(TOLERANCES[dtype])}
            faults += [f"{name}: {fault}" for fault in _faults(differences, TOLERANCES[dtype])]
    if faults:
        raise PartFailed("; ".join(faults))


def summary(figures: Figures) -> str:
    """The figures in one line."""
    compared = [difference for difference in figures.values() if "skipped" not in difference]
    worst = {
        name: max(difference[name] for difference in compared) for name in ("state", "total_variation", "gradient")
    }
    parts = ", ".join(f"{name.replace('_', ' ')} {value:.1e}" for name, value in worst.items())
    return f"{len(compared)} compared, largest differences: {parts}"


def random_weights(config: ModelConfig, items: int, seed: int = 0) -> Weights:
    """Initial weights with noise, the same on every device."""
    network = InterestNetwork(config)
    network.grow(items + 1)
    random = np.random.default_rng(seed)
    tensors = {
        name: tensor + torch.from_numpy(random.normal(0, _NOISE, tuple(tensor.shape)).astype(np.float32))
        for name, tensor in network.snapshot(0).tensors.items()
    }
    return Weights(1, tensors)


def _compute(run: GpuRun, device: str, dtype: Dtype, allow_repeats: bool) -> _Output:
    count, events = run.sizes.compared_items, run.sizes.compared_events
    config = ModelConfig(device=device, dtype=dtype, allow_repeats=allow_repeats)
    items = ItemVocabulary(count, ItemContent(config))
    for number in range(count):
        items.describe(f"i{number}", f"Title {number}", [f"c{number % 7}", f"c{number % 5}"])
        items.add(f"i{number}")
    engine = Engine(config, items, top_items=count, top_categories=5)
    weights = random_weights(config, count)
    engine.update(weights)
    users, random = max(events // 3, 1), np.random.default_rng(1)
    rows = new_user_states(config, users)
    distributions, log_p = [], []
    for number in range(_BATCHES):
        batch = _random_batch(random, events, users, count, number)
        log_p.append(engine.score(batch, rows).log_p)
        step = engine.step(batch, rows, "event")
        engine.observe(step)
        rows = step.rows
        distributions.append(_distribution(step.predictions, count))
    network = InterestNetwork(config)
    network.load(weights)
    network.to(torch.device(device))
    result = gradients(
        network,
        last_windows(rows, step.new_events),
        SampledCandidates.all(items.active()),
        items.content,
        bfloat16=dtype == "bfloat16",
    )
    assert result is not None
    by_name = {part.name: part.values.detach().double().cpu().numpy() for part in result.row_gradients}
    return _Output(rows, distributions, np.concatenate(log_p), engine.experts(), by_name)


def _random_batch(random: np.random.Generator, events: int, users: int, items: int, number: int) -> EventBatch:
    text = [f"word{value} word{value // 7}" if value % 5 == 0 else "" for value in random.integers(0, 1000, events)]
    return EventBatch(
        user=np.sort(random.integers(0, users, events)),
        item=random.integers(0, items + 1, events),
        type=random.integers(0, len(EVENT_TYPES), events),
        time_ms=1_700_000_000_000 + 10**8 * number + random.integers(0, 10**8, events),
        value=random.normal(2, 2, events).astype(np.float32),
        text=text,
    )


def _distribution(predictions: Predictions, items: int) -> NDArray[np.float64]:
    p = np.zeros((len(predictions), items + 1))
    np.put_along_axis(p, predictions.item, predictions.item_p.astype(np.float64), 1)
    p[:, 0] = 0  # pads the lists
    return p


def _differences(reference: _Output, output: _Output) -> dict[str, Any]:
    names = reference.rows.dtype.names or ()
    state = max(_scaled_difference(reference.rows[name], output.rows[name]) for name in ("h", "c"))
    variation = [
        0.5 * np.abs(ours - theirs).sum(1).max()
        for ours, theirs in zip(output.distributions, reference.distributions, strict=True)
    ]
    finite = np.isfinite(reference.log_p)
    unequal = [name for name in names if name not in ("h", "c") and not _equal(reference.rows, output.rows, name)]
    unequal += [
        name
        for name, array in reference.counts.items()
        if not name.startswith("gate.") and not np.array_equal(array, output.counts[name])
    ]
    gate = {name: array for name, array in reference.counts.items() if name.startswith("gate.value.")}
    return {
        "state": state,
        "total_variation": float(max(variation)),
        "log_p": float(np.abs(output.log_p[finite] - reference.log_p[finite]).mean()),
        "log_p_finite_alike": bool(np.array_equal(finite, np.isfinite(output.log_p))),
        "gradient": max(
            _relative_norm(array, output.gradients[name]) for name, array in reference.gradients.items() if array.any()
        ),
        "gate": max(float(np.abs(array - output.counts[name]).max()) for name, array in gate.items()),
        "unequal": unequal,
    }


def _faults(differences: Mapping[str, Any], tolerance: Tolerance) -> list[str]:
    faults = [
        f"{name} differs by {differences[name]:.2e}, more than {limit:g}"
        for name, limit in asdict(tolerance).items()
        if not differences[name] <= limit  # a NaN is too large
    ]
    if not differences["log_p_finite_alike"]:
        faults.append("candidates differ")
    if differences["unequal"]:
        faults.append(f"not equal: {', '.join(differences['unequal'])}")
    return faults


def _equal(reference: NDArray[np.void], output: NDArray[np.void], name: str) -> bool:
    return bool(np.array_equal(reference[name], output[name]))


def _scaled_difference(reference: NDArray[Any], output: NDArray[Any]) -> float:
    expected = reference.astype(np.float64)
    return float((np.abs(output.astype(np.float64) - expected) / np.maximum(np.abs(expected), 1)).max())


def _relative_norm(reference: NDArray[np.float64], output: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(output - reference) / np.linalg.norm(reference))
