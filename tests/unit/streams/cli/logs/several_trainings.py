"""`interest-stream train` several times in processes that import PyTorch once; each argument is its words as JSON."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import torch.distributed as dist

from models.training.offline.process_group import is_first_process
from streams.cli.main import app

SEPARATOR = "-- next training --"


def main(trainings: list[str]) -> None:
    join = dist.init_process_group
    for number, words in enumerate(trainings):
        if number:
            # torchrun's store still has what the processes wrote there for the training before.
            place = Path(f"meeting-{number}").absolute().as_uri()
            rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
            dist.init_process_group = partial(join, init_method=place, rank=rank, world_size=size)
            if is_first_process():
                print(SEPARATOR, flush=True)
        last = number == len(trainings) - 1  # ends as the command does
        app(["train", *json.loads(words)], standalone_mode=last)


if __name__ == "__main__":
    main(sys.argv[1:])
