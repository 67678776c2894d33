"""The registry of the settings. Imports no library of a format unless one is set."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Final

from streams.errors import SettingsError
from streams.settings.registry_section import RegistrySettings

if TYPE_CHECKING:
    from streams.registry.schema_registry import SchemaRegistry

_OF_THE_EXTRA: Final = ("fastavro", "grpc_tools")


async def connect_registry(settings: RegistrySettings) -> SchemaRegistry | None:
    """The registry, once it answers; None where none is set. Raises RegistryError, SettingsError."""
    if not settings.url:
        return None
    if missing := [name for name in _OF_THE_EXTRA if importlib.util.find_spec(name) is None]:
        raise SettingsError(
            [f"registry.url needs {missing[0]}, of the extra `registry`: pip install 'interest-stream[registry]'"]
        )
    from streams.registry.schema_registry import SchemaRegistry

    registry = SchemaRegistry(settings)
    await registry.client.check()
    return registry
