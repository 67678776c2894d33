"""Environment of a run of the GPU benchmark: card, driver, versions, commit, date."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from bench.machine import machine_info

_ROOT = Path(__file__).resolve().parents[2]


def environment(device: torch.device) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _output("git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=40") or "unknown",
        "device": str(device),
        "card": _card(device),
        "driver": _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader") or "none",
        "cuda": torch.version.cuda or "none",
        "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]  # torch has no types for it
        "cudnn_tf32": torch.backends.cudnn.allow_tf32,
        **machine_info(),
    }


def _card(device: torch.device) -> dict[str, Any] | None:
    if device.type != "cuda":
        return None
    properties = torch.cuda.get_device_properties(device)
    return {
        "name": properties.name,
        "memory_mib": properties.total_memory >> 20,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
    }


def _output(program: str, *arguments: str) -> str:
    """First line of what the program prints; empty where there is none."""
    if shutil.which(program) is None:
        return ""
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.partition("\n")[0].strip() if done.returncode == 0 else ""
