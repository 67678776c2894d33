"""One Kafka node, broker and controller in one process: configure, start, wait for answers. Knows no other nodes."""

import os
import shutil
import socket
import struct
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.errors import KafkaStartError
from streams.local_kafka.jars import KAFKA_VERSION, fetch_jars, formatted_checkpoint
from streams.local_kafka.java_process import JavaProcess

_SETTINGS = Path(__file__).with_name("server.properties")


def new_id() -> str:
    """A random id as Kafka writes them."""
    # An id that began with a hyphen would be an option of Kafka's tools.
    return urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")


class KafkaNode(JavaProcess):
    """One node in `folder` with these (broker, controller) ports.

    The folder `temporary` is removed if this process ends without stopping the node.
    """

    def __init__(
        self,
        folder: Path,
        node_id: int,
        ports: tuple[int, int],
        settings: Mapping[str, str],
        temporary: Path | None = None,
        format_options: Sequence[str] = (),
        version: str = KAFKA_VERSION,
    ) -> None:
        config = folder / "server.properties"
        super().__init__(f"Kafka node {node_id}", folder, "kafka.Kafka", config, temporary, version)
        self.node_id = node_id
        self.port = ports[0]
        self._format_options = format_options
        self._settings = {
            "node.id": str(node_id),
            "listeners": f"PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports[0]}",
            "log.dirs": str(folder / "data"),
            **settings,
        }

    def format(self, cluster_id: str) -> None:
        """Write the configuration, and format the data folder unless that has been done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        self._config.write_text(f"{_SETTINGS.read_text()}\n# This node\n{settings}")
        data = self.folder / "data"
        if (data / "meta.properties").is_file():
            return
        kept = formatted_checkpoint(fetch_jars(self._version))
        if not self._format_options and kept.is_file():
            data.mkdir(exist_ok=True)
            shutil.copyfile(kept, data / "bootstrap.checkpoint")
            ids = {"version": "1", "cluster.id": cluster_id, "node.id": str(self.node_id), "directory.id": new_id()}
            (data / "meta.properties").write_text("".join(f"{name}={value}\n" for name, value in ids.items()))
            return
        self._run_storage_tool(cluster_id)
        if not self._format_options:
            # The same for all nodes of a version. Java takes a second to write it.
            part = kept.with_name(f"{kept.name}.{os.getpid()}.{self.node_id}.part")
            shutil.copyfile(data / "bootstrap.checkpoint", part)
            part.rename(kept)

    def _run_storage_tool(self, cluster_id: str) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._config), *self._format_options]
        answer = subprocess.run(self._command(*tool), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise KafkaStartError(f"Kafka could not format {self.folder}:\n{answer.stdout}{answer.stderr}")

    def start(self, deadline_s: float = 60.0) -> None:
        """Start the node, again with the same ports and data, and wait until it answers."""
        self.launch(end_with_parent=True)
        self.wait_ready(brokers=1, deadline_s=deadline_s)

    def wait_ready(self, brokers: int, deadline_s: float) -> None:
        """Wait until the node answers clients and knows at least that many brokers. Raises KafkaStartError."""
        end = time.monotonic() + deadline_s
        while (known := self._known_brokers()) < brokers:
            if self.pid is None:
                raise KafkaStartError(f"{self._name} ended while it started. {self.log_tail()}")
            if time.monotonic() > end:
                raise KafkaStartError(
                    f"{self._name} knew {known} of {brokers} brokers after {deadline_s:.0f} s. {self.log_tail()}"
                )
            time.sleep(0.05)  # a starting broker can only be polled

    def _known_brokers(self) -> int:
        """Number of brokers in the answer to a metadata request; 0 without an answer."""
        body = struct.pack(">hhihi", 3, 1, 0, -1, 0)  # Metadata v1, no client id, no topics
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(struct.pack(">i", len(body)) + body)
                answer = connection.makefile("rb").read(12)  # length, correlation id, count of brokers
        except OSError:
            return 0
        return int(struct.unpack(">iii", answer)[2]) if len(answer) == 12 else 0
