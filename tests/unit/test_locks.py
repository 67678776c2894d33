import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-uv.txt"]


def locked(name: str) -> dict[str, set[str]]:
    """Versions of each package; several where they depend on the platform."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE):
        versions.setdefault(package, set()).add(version)
    return versions


def declared() -> tuple[list[Requirement], list[Requirement]]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime, dev = project["dependencies"], project["optional-dependencies"]["dev"]
    return [Requirement(line) for line in runtime], [Requirement(line) for line in dev]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pinned_package_or_one_of_its_hashes(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    assert lines
    pattern = re.compile(r"[a-z0-9-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not pattern.fullmatch(line)] == []


def test_the_locks_hold_what_the_project_declares() -> None:
    runtime, dev = declared()
    for lock, requirements in {"requirements.txt": runtime, "requirements-dev.txt": [*runtime, *dev]}.items():
        versions = locked(lock)
        for requirement in requirements:
            name = requirement.name.lower()
            assert versions.get(name), f"{lock} lacks {name}: make lock"
            for version in versions[name]:
                assert requirement.specifier.contains(version), f"{lock} holds {name} {version}: make lock"


def test_what_runs_is_what_is_tested() -> None:
    dev = locked("requirements-dev.txt")
    assert {name: dev.get(name) for name in locked("requirements.txt")} == locked("requirements.txt")
