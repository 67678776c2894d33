"""Metrics of the integration tests' processes, over HTTP."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from streams.ports import release_ports, reserve_ports

Sample = tuple[str, frozenset[tuple[str, str]]]


@contextmanager
def free_port() -> Iterator[int]:
    """A port that no other test takes within the block."""
    (port,), reservations = reserve_ports(1, None)
    try:
        yield port
    finally:
        release_ports(reservations)


def scrape(port: int) -> dict[Sample, float]:
    """The samples by name and labels."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    with connection.getresponse() as response:
        families = text_string_to_metric_families(response.read().decode())
    connection.close()
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def sample(name: str, **labels: str) -> Sample:
    """The key of a sample."""
    return name, frozenset(labels.items())
