"""Local Kafka cluster of one or three nodes, for the demo, the tests and development. Knows no topics."""

import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.errors import KafkaStartError
from streams.local_kafka.node import KafkaNode, new_id
from streams.ports import release_ports, reserve_ports

DEFAULT_PORT = 9092
_STATE = "local-kafka.json"
_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 15.0


@dataclass(frozen=True, slots=True)
class LocalKafkaStatus:
    """Address and process ids of the Kafka in a folder; the pid of a stopped node is None."""

    folder: Path
    bootstrap_servers: str
    pids: tuple[int | None, ...]

    @property
    def running(self) -> bool:
        """Whether all nodes run."""
        return None not in self.pids


class LocalKafka:
    """One or three Kafka nodes on loopback ports; a context manager that starts and stops them.

    Without a folder the data are temporary and removed at stop; a given folder keeps its data and ports over restarts.
    The nodes end when this process ends, even when it is killed.
    """

    def __init__(
        self,
        folder: Path | None = None,
        nodes: int = 1,
        first_port: int | None = None,
        *,
        settings: Mapping[str, str] | None = None,
        listeners: Mapping[str, str] | None = None,
        format_options: Sequence[str] = (),
    ) -> None:
        """`first_port` is used for the first broker if the folder is new and the port is free.

        `settings` are the broker's own, beyond server.properties; `listeners`, security protocol by name, are opened
        beside the plain one on ports that `listener_address` names, of a single node only; `format_options` go to
        Kafka's storage tool.
        """
        if nodes not in (1, 3):
            raise KafkaStartError(f"A local Kafka has 1 or 3 nodes, not {nodes}.")
        self._temporary = folder is None
        self.folder = Path(tempfile.mkdtemp(prefix="interest-kafka-")) if folder is None else folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._cluster_id, ports, reservations = _load_or_create(self.folder, nodes, first_port)
        self._release_ports = weakref.finalize(self, release_ports, reservations)
        if listeners and nodes != 1:
            raise KafkaStartError("Further listeners are for a local Kafka of one node.")
        self._listener_ports: dict[str, int] = {}
        if listeners:
            further_ports, further_reservations = reserve_ports(len(listeners), None)
            reservations = reservations + further_reservations
            self._listener_ports = dict(zip(listeners, further_ports, strict=True))
        node_settings = _quorum_settings(ports) | dict(settings or {})
        self.nodes = tuple(
            KafkaNode(
                self.folder / f"node-{node_id}",
                node_id,
                node_ports,
                node_settings | _listener_settings(node_ports, self._listener_ports, listeners or {}),
                self.folder if self._temporary else None,
                format_options,
            )
            for node_id, node_ports in enumerate(ports, start=1)
        )
        self.bootstrap_servers = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def listener_address(self, name: str, host: str = "localhost") -> str:
        """Address of one of the further listeners, by its name."""
        return f"{host}:{self._listener_ports[name]}"

    def start(self) -> Self:
        """Start all nodes and wait until they know each other. Raises KafkaStartError."""
        self._start(end_with_parent=True)
        return self

    def stop(self) -> None:
        """Stop all nodes; remove temporary data."""
        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(KafkaNode.kill if self._temporary else _stop, self.nodes))
        self._release_ports()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self, end_with_parent: bool) -> None:
        if running := [node.pid for node in self.nodes if node.pid is not None]:
            raise KafkaStartError(f"A Kafka runs in {self.folder} already (processes {running}); stop that one first.")
        try:
            with ThreadPoolExecutor(len(self.nodes)) as pool:
                list(pool.map(lambda node: node.format(self._cluster_id), self.nodes))
            for node in self.nodes:
                node.launch(end_with_parent)
            for node in self.nodes:
                node.wait_ready(brokers=len(self.nodes), deadline_s=_START_DEADLINE_S)
        except BaseException:  # also Ctrl-C: nothing is left running
            self.stop()
            raise


def start_background(folder: Path, nodes: int = 1, first_port: int = DEFAULT_PORT) -> LocalKafkaStatus:
    """Start a Kafka that keeps running after this process, on `first_port` if the folder is new and that is free.

    Does nothing if one runs in the folder already.
    """
    if (current := status(folder)) is not None and current.running:
        return current
    kafka = LocalKafka(folder, nodes, first_port)
    kafka._start(end_with_parent=False)
    return _status(kafka)


def stop_background(folder: Path) -> LocalKafkaStatus | None:
    """Stop the Kafka in the folder and keep its data; its status before, None if the folder has no Kafka."""
    before = status(folder)
    if before is not None:
        LocalKafka(folder, len(before.pids)).stop()
    return before


def status(folder: Path) -> LocalKafkaStatus | None:
    """Status of the Kafka in the folder; None if the folder has none."""
    state = folder / _STATE
    if not state.is_file():
        return None
    return _status(LocalKafka(folder, len(_load(state)[1])))


def _status(kafka: LocalKafka) -> LocalKafkaStatus:
    return LocalKafkaStatus(kafka.folder, kafka.bootstrap_servers, tuple(node.pid for node in kafka.nodes))


def _stop(node: KafkaNode) -> None:
    # A short deadline: the last nodes of a quorum cannot shut down cleanly without a majority.
    node.stop(deadline_s=_STOP_DEADLINE_S)


def _load_or_create(folder: Path, nodes: int, first_port: int | None) -> tuple[str, list[tuple[int, int]], list[int]]:
    """Cluster id and (broker, controller) ports of each node, from the state file or new; reservations of new ports."""
    state = folder / _STATE
    if state.is_file():
        cluster_id, ports = _load(state)
        if len(ports) != nodes:
            raise KafkaStartError(
                f"The Kafka in {folder} has {len(ports)} nodes, not {nodes}; give that number or another folder."
            )
        return cluster_id, ports, []
    free, reservations = reserve_ports(2 * nodes, first_port)
    ports = list(zip(free[::2], free[1::2], strict=True))
    cluster_id = new_id()
    state.write_text(json.dumps({"cluster_id": cluster_id, "ports": ports}))
    return cluster_id, ports, reservations


def _load(state: Path) -> tuple[str, list[tuple[int, int]]]:
    try:
        fields = json.loads(state.read_text())
        return fields["cluster_id"], [(broker, controller) for broker, controller in fields["ports"]]
    except (ValueError, KeyError, TypeError) as error:
        raise KafkaStartError(
            f"{state} is damaged: remove {state.parent}, with Kafka's data in it, and start again."
        ) from error


def _quorum_settings(ports: list[tuple[int, int]]) -> dict[str, str]:
    """Settings of all nodes of the cluster, beyond server.properties."""
    voters = ",".join(f"{number}@127.0.0.1:{controller}" for number, (_, controller) in enumerate(ports, start=1))
    settings = {"controller.quorum.voters": voters}
    if len(ports) == 1:
        return settings
    copies = ("default", "offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
    in_sync = ("min.insync.replicas", "transaction.state.log.min.isr", "share.coordinator.state.topic.min.isr")
    return settings | {f"{name}.replication.factor": "3" for name in copies} | dict.fromkeys(in_sync, "2")


def _listener_settings(
    ports: tuple[int, int], further_ports: Mapping[str, int], protocols: Mapping[str, str]
) -> dict[str, str]:
    """Settings of the listeners beside the plain one and the controller's; none for none."""
    if not protocols:
        return {}
    broker, controller = ports
    plain = f"PLAINTEXT://127.0.0.1:{broker}"
    further = [f"{name}://localhost:{port}" for name, port in further_ports.items()]
    protocol_map = {"CONTROLLER": "PLAINTEXT", "PLAINTEXT": "PLAINTEXT", **protocols}
    return {
        "listeners": ",".join([plain, f"CONTROLLER://127.0.0.1:{controller}", *further]),
        "advertised.listeners": ",".join([plain, *further]),
        "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocol_map.items()),
    }
