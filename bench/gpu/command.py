"""The command `python -m bench gpu`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Final

import torch
import typer
from rich.console import Console
from rich.markup import escape

from bench.gpu import report
from bench.gpu.environment import environment
from bench.gpu.part import GpuRun, Part, PartResult, run_part
from bench.gpu.parts import equality, floors, marked_tests, quality, step_cost, training, transfers
from bench.gpu.sizes import FULL, SMALL

_screen = Console(highlight=False)
_ROOT: Final = Path(__file__).resolve().parents[2]
_LOGS: Final = (_ROOT / "shared" / "data", _ROOT.parent.parent / "shared" / "data", _ROOT.parent / "shared" / "data")

PARTS: Final = (
    Part("tests", 0.35, marked_tests.measure, marked_tests.summary),
    Part("equality", 0.08, equality.measure, equality.summary),
    Part("cost", 0.24, step_cost.measure, step_cost.summary),
    Part("training", 0.22, training.measure, training.summary),
    Part("quality", 0.25, quality.measure, quality.summary),
    Part("transfers", 0.04, transfers.measure, transfers.summary),
    Part("floors", 0.03, floors.measure, floors.summary),
)


def gpu(
    device: Annotated[str, typer.Option(help="'cuda', 'cuda:N', or 'cpu', which tries all parts in small.")] = "cuda",
    minutes: Annotated[float, typer.Option(min=0.01, help="Time for all parts together.")] = 7,
    json: Annotated[Path, typer.Option(help="File for the figures.")] = Path("bench/results/gpu.json"),
    only: Annotated[
        list[str] | None, typer.Option(help=f"Only this part, once or more: {', '.join(part.name for part in PARTS)}.")
    ] = None,
    logs: Annotated[Path | None, typer.Option(help="Folder of the known logs.", show_default=False)] = None,
) -> None:
    """A CUDA device against the CPU: tests, equality, cost, training, quality, transfers, and the device's floors.

    Parts that lack a library or a log are skipped with the reason, and those whose
    time is used up are shortened; none stops the others. Exits with 1 where a part
    failed: a test, a difference beyond the tolerance, or an error.
    """
    started = time.monotonic()
    try:
        chosen = _device(device)
    except (RuntimeError, ValueError) as error:
        Console(stderr=True).print(f"[red]error:[/] {escape(str(error))}", highlight=False)
        raise typer.Exit(1) from None
    unknown = set(only or ()) - {part.name for part in PARTS}
    if unknown:
        Console(stderr=True).print(f"[red]error:[/] no part is called {', '.join(sorted(unknown))}", highlight=False)
        raise typer.Exit(1)
    sizes = SMALL if chosen.type == "cpu" else FULL
    run = GpuRun(chosen, sizes, logs or next((folder for folder in _LOGS if folder.is_dir()), _LOGS[0]))
    torch.set_num_threads(sizes.threads)
    info = environment(chosen)
    parts = [part for part in PARTS if not only or part.name in only]
    results: list[PartResult] = []

    def on_result(result: PartResult) -> None:
        results.append(result)
        _screen.print(f"{result.name}: {result.status}, {result.seconds:.1f} s", markup=False)
        report.save(json, info, results)

    for number, part in enumerate(parts):
        remaining = 60 * minutes - (time.monotonic() - started)
        if number and _is_lost(chosen):
            # An error inside a kernel ends the use of the device by this process.
            for result in _in_another_process(device, parts[number:], remaining, run.logs):
                on_result(result)
            break
        share = part.share / sum(later.share for later in parts[number:])
        on_result(run_part(run, part, remaining * share, lambda text: _screen.print(text, markup=False)))
    _screen.print(report.table(info, results))
    if any(result.status == "failed" for result in results):
        raise typer.Exit(1)


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"--device is cpu, cuda or cuda:N, not {name}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device: give --device cpu to try all parts in small")
    return device


def _is_lost(device: torch.device) -> bool:
    """Whether the device no longer computes for this process."""
    try:
        return float(torch.ones(1, device=device).sum()) != 1
    except RuntimeError:
        return True


def _in_another_process(device: str, parts: list[Part], seconds: float, logs: Path) -> list[PartResult]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gpu.json"
        command = [sys.executable, "-m", "bench", "gpu", "--device", device, "--minutes", str(max(seconds, 6) / 60)]
        command += ["--json", str(file), "--logs", str(logs)]
        command += [word for part in parts for word in ("--only", part.name)]
        subprocess.run(command, cwd=_ROOT, check=False)
        return report.load(file) if file.is_file() else []
