"""Part `tests`: the tests that need a CUDA device, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from bench.gpu.part import Deadline, Figures, GpuRun, OutOfTime, PartFailed, PartSkipped

ROOT: Final = Path(__file__).resolve().parents[3]
MARK: Final = "cuda"


def marked_files() -> list[Path]:
    """The test files that have the mark: no other is imported, as it may need Kafka's libraries."""
    return sorted(file for file in (ROOT / "tests").rglob("test_*.py") if f"pytest.mark.{MARK}" in file.read_text())


def measure(run: GpuRun, deadline: Deadline, figures: Figures) -> None:
    """Run the marked tests on the device; PartFailed where one fails."""
    files = marked_files()
    if not files:
        raise PartSkipped(f"no test is marked {MARK}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # The project's own configuration names plugins, which may be missing.
        ini = Path(folder) / "pytest.ini"
        ini.write_text(f"[pytest]\npythonpath = {ROOT}\nmarkers =\n{_markers()}")
        command = [sys.executable, "-m", "pytest", "-c", ini, "--rootdir", ROOT, "--confcutdir", ROOT, "-q", "-ra"]
        command += ["-p", "no:cacheprovider", "--import-mode=importlib", "-m", MARK, "--device", run.device.type]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        try:
            done = subprocess.run(
                [*map(str, command), f"--junitxml={report}", *map(str, files)],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                timeout=max(deadline.seconds_left, 1),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OutOfTime(f"the tests took longer than {error.timeout:.0f} s") from None
        if not report.is_file():
            raise PartFailed(f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-2000:]}")
        figures |= _outcomes(report)
    if done.returncode:
        figures["output"] = done.stdout[-6000:]
        raise PartFailed(f"{figures['failed']} of {figures['tests']} failed: {', '.join(figures['failures'])}")


def summary(figures: Figures) -> str:
    """The figures in one line."""
    return f"{figures['passed']} passed, {figures['failed']} failed, {figures['skipped']} skipped"


def _markers() -> str:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    return "".join(f"    {marker}\n" for marker in options["markers"])


def _outcomes(report: Path) -> Figures:
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    skipped = [case for case in cases if case.find("skipped") is not None]
    failures = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    return {
        "tests": len(cases),
        "passed": len(cases) - len(skipped) - len(failures),
        "failed": len(failures),
        "skipped": len(skipped),
        "failures": [f"{case.get('classname')}::{case.get('name')}" for case in failures],
        "slowest": {
            str(case.get("name")): float(case.get("time") or 0)
            for case in sorted(cases, key=lambda case: -float(case.get("time") or 0))[:5]
        },
    }
