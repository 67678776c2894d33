"""A registry for each test."""

from collections.abc import Iterator

import pytest

from tests.registry_server import RegistryServer, serving


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with serving(RegistryServer()) as registry:
        yield registry
