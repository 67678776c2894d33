"""Metrics and health checks of the integration tests' processes, over HTTP."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from streams.local_kafka.ports import release_ports, reserve_ports

Sample = tuple[str, frozenset[tuple[str, str]]]


@contextmanager
def free_port() -> Iterator[int]:
    """A port that no other test takes within the block."""
    (port,), reservations = reserve_ports(1, None)
    try:
        yield port
    finally:
        release_ports(reservations)


def status(port: int, path: str) -> int | None:
    """Of /health/live or /health/ready; None while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return None


def scrape(port: int) -> dict[Sample, float]:
    """The samples by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def sample(name: str, **labels: str) -> Sample:
    """The key of a sample."""
    return name, frozenset(labels.items())
