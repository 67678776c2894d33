"""State of a policy as bytes: settings as JSON and arrays, in safetensors format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from models.errors import PolicyError

_HEADER = "header"


def dump_policy(name: str, version: int, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The state, which `load_policy` reads."""
    header = orjson.dumps({"name": name, "version": version, "settings": settings})
    contiguous = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
    return save({_HEADER: np.frombuffer(header, np.uint8), **contiguous})


def load_policy(state: bytes) -> tuple[str, int, dict[str, Any], dict[str, NDArray[Any]]]:
    """Name, version, settings and arrays of a state. PolicyError where it is damaged or not finite."""
    try:
        arrays: dict[str, NDArray[Any]] = load(state)
        header = orjson.loads(arrays.pop(_HEADER).tobytes())
        name, version, settings = header["name"], header["version"], header["settings"]
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"the state of a policy is damaged ({error}): publish the policy again") from error
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise PolicyError(f"the state of the policy {name} is not finite: publish an earlier one again")
    return name, version, settings, arrays
