"""The processes that train one network together: `torchrun` starts them, torch.distributed joins them."""

import hashlib
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from models.config import ModelConfig
from models.device import compute_device
from models.errors import TrainingError

_RESUME: Final = "go on from the last epoch with --resume"

_LOCAL_RANK: Final = "LOCAL_RANK"
"""Set by torchrun: number of the process on its machine"""


class ProcessGroup:
    """All processes of a training, each with its number from 0; by default this process alone."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    def share(self, rows: int) -> slice:
        """Those of so many rows that this process computes; each row is one process's."""
        return slice(self.rank, rows, self.size)

    def sum(self, tensor: Tensor) -> None:
        """Add the tensors of all processes, in place. TrainingError where one of them has ended."""
        if self.size == 1:
            return
        try:
            dist.all_reduce(tensor)
        except RuntimeError as error:
            raise TrainingError(
                f"process {self.rank} of {self.size}: another process of this training has ended, and its last line "
                f"says why; {_RESUME}"
            ) from error

    def end(self, *_: object) -> NoReturn:
        """TrainingError: torchrun ends a process when another one has ended, or it itself is ended."""
        raise TrainingError(f"process {self.rank} of {self.size}: ended by torchrun; {_RESUME}")

    def require_same(self, values: Mapping[str, str]) -> None:
        """TrainingError where these values are not the same in all processes."""
        digest = hashlib.sha256(repr(sorted(values.items())).encode()).digest()
        device = "cuda" if self.size > 1 and dist.get_backend() == "nccl" else "cpu"
        # A byte is the same in all processes where its mean is its own, and so is its square's.
        mine = torch.tensor(list(digest), dtype=torch.float64, device=device)
        total = torch.stack([mine, mine * mine])
        self.sum(total)
        if not torch.equal(total, torch.stack([mine, mine * mine]) * self.size):
            raise TrainingError(
                f"process {self.rank} of {self.size}: the processes of this training do not have the same log, "
                "settings and folder; start them with the same arguments, and where they run on several machines, with "
                "the same files"
            )


ALONE: Final = ProcessGroup()


@contextmanager
def process_group(config: ModelConfig) -> Iterator[tuple[ProcessGroup, ModelConfig]]:
    """The processes that `torchrun` started with this one, and the configuration with this process's device.

    Gradients go by nccl between CUDA devices, one for each process of a machine, else by gloo.
    """
    if not dist.is_torchelastic_launched():
        yield ALONE, config
        return
    device = compute_device(config)
    if device.type == "cuda":
        local_rank = int(os.environ[_LOCAL_RANK])
        if local_rank >= torch.cuda.device_count():
            raise TrainingError(
                f"process {local_rank} of this machine has no CUDA device, there are {torch.cuda.device_count()}: "
                "start as many processes as there are devices, or set model.device = 'cpu'"
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
        config = replace(config, device=str(device))
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    group = ProcessGroup(dist.get_rank(), dist.get_world_size())
    before = signal.signal(signal.SIGTERM, group.end)
    try:
        yield group, config
    finally:
        signal.signal(signal.SIGTERM, before)
        dist.destroy_process_group()


def is_first_process() -> bool:
    """Whether this process prints and saves: true but for the others that torchrun started with it."""
    return not dist.is_torchelastic_launched() or os.environ["RANK"] == "0"
