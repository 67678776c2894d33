"""The monitoring of one process: its registry of metrics, its health, and the server of both where a port is set."""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry, Info
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from streams import __version__
from streams.monitoring.health import Health
from streams.monitoring.server import MonitoringServer


class ProcessMonitoring:
    """Metrics are kept whether a port is set or not, so that they cost the same and no part need ask."""

    def __init__(self, host: str, port: int, setting: str = "monitoring.port") -> None:
        """Listens at once where the port, from this setting, is not 0; MonitoringError where it cannot."""
        self.registry = process_registry()
        self.health = Health()
        self.registry.register(self.health)
        self._server = MonitoringServer(host, port, setting, self.registry, self.health) if port else None

    def start(self) -> None:
        """Begins to answer."""
        if self._server is not None:
            self._server.start()

    def stop(self) -> None:
        """Ends it."""
        if self._server is not None:
            self._server.stop()


def process_registry() -> CollectorRegistry:
    """A registry with what is known of any process: version, CPU, memory, open files, garbage collections."""
    prometheus_client.disable_created_metrics()  # a second series for each counter and histogram
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    Info("interest_build", "Version of interest-stream.", registry=registry).info({"version": __version__})
    return registry
