"""Weights to save, and a file of them that is damaged."""

from pathlib import Path

from models.config import ModelConfig
from models.network.interest_network import InterestNetwork
from models.network.weights import Weights


def weights(config: ModelConfig, version: int) -> Weights:
    snapshot = InterestNetwork(config).snapshot(version)
    return Weights(version, {name: t + version for name, t in snapshot.tensors.items()})


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
