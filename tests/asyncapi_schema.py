"""The official JSON Schema of AsyncAPI documents, as its npm package ships it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest

from streams.local_kafka.jars import fetch_jars

_PACKAGE = "@asyncapi/specs@6.11.1"
_FILE = "package/schemas/3.0.0-without-$id.json"
_SHA256 = "abe96881dbfaad495ccbb6bd8d3fb43ca18a13b9d7564849ccb66f39d5e5b20f"


def asyncapi_schema() -> dict[str, Any]:
    """Of version 3.0.0; in the user's cache, fetched by npm the first time (350 KB), else a skip."""
    cache = fetch_jars().parent
    path = cache / "asyncapi-3.0.0.json"
    with (cache / "asyncapi.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            _fetch(path)
    text = path.read_bytes()
    assert hashlib.sha256(text).hexdigest() == _SHA256, f"{path} is not that of {_PACKAGE}: remove it"
    schema: dict[str, Any] = json.loads(text)
    return schema


def _fetch(path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm, which fetches the schema of AsyncAPI, is not installed")
    with tempfile.TemporaryDirectory() as name:
        packed = subprocess.run(
            [npm, "pack", "--silent", _PACKAGE], capture_output=True, text=True, check=False, cwd=name
        )
        if packed.returncode:
            pytest.skip(f"npm could not fetch {_PACKAGE}: {packed.stderr[-300:]}")
        (archive,) = Path(name).glob("*.tgz")
        with tarfile.open(archive) as files:
            member = files.extractfile(_FILE)
            assert member is not None
            part = path.with_suffix(".part")
            part.write_bytes(member.read())
            part.rename(path)
