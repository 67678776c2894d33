"""Without registry.url nothing of the formats is imported, nor needed."""

import subprocess
import sys

import pytest

from streams.errors import SettingsError
from streams.registry.connection import connect_registry
from streams.settings.registry_section import RegistrySettings

_PROGRAM = """
import asyncio, sys
import streams.worker.app, streams.cli.main, streams.terminal.predictions, streams.terminal.user, streams.demo.run
from streams.settings.settings import load_settings
from streams.worker.formats import JSON_ALONE, connect_formats
assert asyncio.run(connect_formats(load_settings())) == JSON_ALONE
print(*(name for name in ("fastavro", "grpc_tools", "google.protobuf.descriptor_pool", "streams.registry.client")
        if name in sys.modules))
"""


@pytest.mark.slow
def test_nothing_is_imported_without_a_registry() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.registry.connection._OF_THE_EXTRA", ("fastavro", "no_such_module"))
    with pytest.raises(SettingsError, match=r"registry\.url needs no_such_module, of the extra `registry`: pip"):
        await connect_registry(RegistrySettings(url="http://127.0.0.1:9"))
