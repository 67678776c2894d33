"""Kafka of before KRaft: a broker of any version, and the ZooKeeper that it needs, from the jars of that version."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from streams.local_kafka.java_process import JavaProcess
from streams.local_kafka.node import KafkaNode
from streams.ports import release_ports, reserve_ports

_DEADLINE_S: Final = 120.0
_ZOOKEEPER: Final = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


class _Broker(KafkaNode):
    """A broker whose quorum is a ZooKeeper."""

    def __init__(self, folder: Path, port: int, zookeeper: str, temporary: Path, version: str) -> None:
        super().__init__(folder, 1, (port, port), {}, temporary, version=version)
        self._settings = {
            "broker.id": "1",
            "zookeeper.connect": zookeeper,
            "listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "log.dirs": str(folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.num.partitions": "1",
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.cleaner.dedupe.buffer.size": str(16 << 20),
        }

    def format(self, cluster_id: str) -> None:
        """Write the configuration; a data folder needs no more."""
        self.folder.mkdir(parents=True)
        self._config.write_text("".join(f"{name}={value}\n" for name, value in self._settings.items()))


class OlderKafka:
    """Brokers of these versions, each a cluster of its own in one ZooKeeper; a context manager that starts them.

    Raises KafkaStartError where Java or the jars are not to be had.
    """

    def __init__(self, *versions: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="interest-older-kafka-"))
        (zookeeper_port, *ports), self._reservations = reserve_ports(1 + len(versions), None)
        config = self._folder / "zookeeper.properties"
        data = self._folder / "zookeeper-data"
        config.write_text(
            f"dataDir={data}\nclientPort={zookeeper_port}\nclientPortAddress=127.0.0.1\n"
            "maxClientCnxns=0\nadmin.enableServer=false\n"
        )
        self._zookeeper = JavaProcess("ZooKeeper", self._folder, _ZOOKEEPER, config, self._folder, versions[0])
        address = f"127.0.0.1:{zookeeper_port}"
        self.brokers = {
            version: _Broker(self._folder / version, port, f"{address}/{version}", self._folder, version)
            for version, port in zip(versions, ports, strict=True)
        }

    def servers(self, version: str) -> str:
        """The bootstrap servers of that broker."""
        return f"127.0.0.1:{self.brokers[version].port}"

    def __enter__(self) -> Self:
        try:
            self._zookeeper.launch(end_with_parent=True)
            for broker in self.brokers.values():
                broker.format("")
                broker.launch(end_with_parent=True)
            for broker in self.brokers.values():
                broker.wait_ready(brokers=1, deadline_s=_DEADLINE_S)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in (*self.brokers.values(), self._zookeeper):
            process.kill()
        release_ports(self._reservations)
        shutil.rmtree(self._folder, ignore_errors=True)
