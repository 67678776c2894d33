from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch

from bench.gpu.host_reads import HostReads
from bench.gpu.parts.transfers import needed_bytes, read_trace
from bench.gpu.workload import StepWorkload, vocabulary
from models.config import ModelConfig


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_operations_that_read_the_device_are_counted(mode: Callable[[], AbstractContextManager[None]]) -> None:
    with mode(), HostReads() as reads:
        values = torch.arange(4.0) + 0
        assert float(values.sum()) == 6
        assert bool((values > 2).any())
        assert values.amax().item() == 3
        values[values > 2] = values[:1]
        values.nonzero()
        _ = values[torch.tensor([0, 1])] + values[2:]
    assert reads.counts == {"__float__": 1, "__bool__": 1, "item": 1, "index_put_": 1, "nonzero": 1}


def test_a_trace_gives_bytes_by_direction_and_synchronisations() -> None:
    figures = read_trace(
        [
            {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pageable -> Device)", "args": {"bytes": 100}},
            {"cat": "gpu_memcpy", "name": "Memcpy HtoD (Pinned -> Device)", "args": {"bytes": 20}},
            {"cat": "gpu_memcpy", "name": "Memcpy DtoH (Device -> Pinned)", "args": {"bytes": 3}},
            {"cat": "gpu_memcpy", "name": "Memcpy DtoD (Device -> Device)", "args": {"bytes": 9}},
            {"cat": "kernel", "name": "add"},
            {"cat": "cuda_runtime", "name": "cudaStreamSynchronize"},
            {"cat": "cuda_runtime", "name": "cudaMemcpyAsync"},
            {"name": "process_name", "ph": "M"},
        ]
    )
    assert figures == {
        "copied": {
            "to_device": {"bytes": 120, "copies": 2, "pageable": 1},
            "to_host": {"bytes": 3, "copies": 1, "pageable": 0},
        },
        "kernels": 1,
        "synchronisations": 1,
    }


def test_the_least_bytes_are_those_of_rows_and_predictions() -> None:
    workload = StepWorkload(ModelConfig(device="cpu", embedding_dim=8, hidden_size=8, text="none"), vocabulary(20), 4)
    needed = needed_bytes(workload, 4)
    assert needed["to_device"] == 4 * (2 * 2 * 8 + 50 * (4 + 1 + 1 + 1))
    assert needed["to_host"] == 4 * (2 * 2 * 8 + 8 * 10 + 8 * 5 + 4 * 50)


def test_the_workload_has_full_histories_and_goes_on() -> None:
    config = ModelConfig(device="cpu", embedding_dim=8, hidden_size=8, text="none")
    workload = StepWorkload(config, vocabulary(30), 5)
    assert (workload.rows["steps"] == config.history_length).all()
    users, batch = next(workload.batches(3))
    workload.step(users, batch)
    assert workload.rows["steps"].sum() == 5 * config.history_length + 3
