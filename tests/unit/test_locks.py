import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCKS = [
    "requirements.txt",
    "requirements-text.txt",
    "requirements-dev.txt",
    "requirements-docs.txt",
    "requirements-uv.txt",
]


def locked(name: str) -> dict[str, set[str]]:
    """Versions of each package; several where they depend on the platform."""
    versions: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE):
        versions.setdefault(package, set()).add(version)
    return versions


def _requirements(extras: dict[str, list[str]], name: str) -> list[Requirement]:
    """The packages of an extra, those of the project's other extras that it takes in included."""
    requirements = [Requirement(line) for line in extras[name]]
    taken_in = [extra for line in requirements if line.name == "interest-stream" for extra in sorted(line.extras)]
    others = [line for line in requirements if line.name != "interest-stream"]
    return [*others, *(line for extra in taken_in for line in _requirements(extras, extra))]


def declared() -> dict[str, list[Requirement]]:
    """What each lock must hold."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    runtime = [Requirement(line) for line in project["dependencies"]]
    text, dev = (_requirements(extras, name) for name in ("text", "dev"))
    return {
        "requirements.txt": runtime,
        "requirements-text.txt": [*runtime, *text],
        "requirements-dev.txt": [*runtime, *text, *dev],
    }


@pytest.mark.parametrize("lock", LOCKS)
def test_every_line_of_a_lock_is_a_pinned_package_or_one_of_its_hashes(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    assert lines
    pattern = re.compile(r"[a-z0-9-]+==[^ ]+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not pattern.fullmatch(line)] == []


def test_the_locks_hold_what_the_project_declares() -> None:
    for lock, requirements in declared().items():
        versions = locked(lock)
        for requirement in requirements:
            name = requirement.name.lower()
            assert versions.get(name), f"{lock} lacks {name}: make lock"
            for version in versions[name]:
                assert requirement.specifier.contains(version), f"{lock} holds {name} {version}: make lock"


def test_what_runs_is_what_is_tested() -> None:
    dev = locked("requirements-dev.txt")
    for lock in ("requirements.txt", "requirements-text.txt"):
        assert {name: dev.get(name) for name in locked(lock)} == locked(lock)


def test_the_image_goes_without_pretrained_models() -> None:
    added = locked("requirements-text.txt").keys() - locked("requirements.txt").keys()
    assert {"sentence-transformers", "transformers", "tokenizers"} <= added
    assert locked("requirements.txt").keys() <= locked("requirements-text.txt").keys()
