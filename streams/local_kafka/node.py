"""One Kafka node, broker and controller in one process: configure, start, signal, stop. Knows no other nodes."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from streams.errors import KafkaStartError
from streams.local_kafka.jars import fetch_jars, find_java

_SETTINGS = Path(__file__).with_name("server.properties")
_LOGGING = Path(__file__).with_name("kafka-log4j2.properties")
_JAVA_FLAGS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")

# Starts Java detached and prints its pid.
_LAUNCH_SCRIPT = """
temporary=$1 log=$2; shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
echo $!
"""
# A second process reads a pipe whose writing end only the parent has open. The pipe closes without a line when the
# parent ends, even by SIGKILL; then the process kills Java and removes the temporary folder.
_LAUNCH_SCRIPT_WITH_PARENT = f"""{_LAUNCH_SCRIPT}
{{ read -r _ <&3 || {{ kill -KILL $!; sleep 0.1; [ -z "$temporary" ] || rm -rf "$temporary"; }}; }} >/dev/null 2>&1 &
"""


class KafkaNode:
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
    ) -> None:
        self.folder = folder
        self.node_id = node_id
        self.port = ports[0]
        self.log = folder / "kafka.log"
        self._config = folder / "server.properties"
        self._pid_file = folder / "pid"
        self._temporary = temporary
        self._format_options = format_options
        self._parent_pipe: int | None = None
        self._settings = {
            "node.id": str(node_id),
            "listeners": f"PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports[0]}",
            "log.dirs": str(folder / "data"),
            **settings,
        }

    @property
    def pid(self) -> int | None:
        """Process id of the running broker; None if it does not run."""
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(self._config) in _command_line(pid) else None

    def format(self, cluster_id: str) -> None:
        """Write the configuration, and format the data folder unless that has been done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        self._config.write_text(f"{_SETTINGS.read_text()}\n# This node\n{settings}")
        if (self.folder / "data" / "meta.properties").is_file():
            return
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._config), *self._format_options]
        answer = subprocess.run(self._command(*tool), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise KafkaStartError(f"Kafka could not format {self.folder}:\n{answer.stdout}{answer.stderr}")

    def launch(self, end_with_parent: bool) -> None:
        """Start the process without waiting; with `end_with_parent` it ends when this process ends, even by SIGKILL."""
        if self.pid is not None:
            raise KafkaStartError(f"Kafka node {self.node_id} in {self.folder} runs already, as process {self.pid}.")
        self._close_parent_pipe()
        command = self._command("kafka.Kafka", str(self._config))
        reader, self._parent_pipe = os.pipe() if end_with_parent else (os.open(os.devnull, os.O_RDONLY), None)
        answer = subprocess.run(
            [
                "sh",
                "-c",
                _LAUNCH_SCRIPT_WITH_PARENT if end_with_parent else _LAUNCH_SCRIPT,
                "sh",
                str(self._temporary or ""),
                str(self.log),
                *command,
            ],
            stdin=reader,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            start_new_session=True,  # Ctrl-C reaches only the parent, which then stops the node in order
        )
        os.close(reader)
        self._pid_file.write_text(answer.stdout.strip())

    def start(self, deadline_s: float = 60.0) -> None:
        """Start the node, again with the same ports and data, and wait until it answers."""
        self.launch(end_with_parent=True)
        self.wait_ready(brokers=1, deadline_s=deadline_s)

    def wait_ready(self, brokers: int, deadline_s: float) -> None:
        """Wait until the node answers clients and knows at least that many brokers. Raises KafkaStartError."""
        end = time.monotonic() + deadline_s
        while (known := self._known_brokers()) < brokers:
            if self.pid is None:
                raise KafkaStartError(f"Kafka node {self.node_id} ended while it started. {self._log_tail()}")
            if time.monotonic() > end:
                raise KafkaStartError(
                    f"Kafka node {self.node_id} knew {known} of {brokers} brokers after {deadline_s:.0f} s. "
                    f"{self._log_tail()}"
                )
            time.sleep(0.05)  # a starting broker can only be polled

    def stop(self, deadline_s: float = 30.0) -> None:
        """Stop the node: SIGTERM, and SIGKILL after the deadline."""
        self._end(signal.SIGTERM, deadline_s)

    def kill(self) -> None:
        """Stop the node with SIGKILL."""
        self._end(signal.SIGKILL, deadline_s=30.0)

    def pause(self) -> None:
        """Freeze the node with SIGSTOP: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue a frozen node."""
        self._signal(signal.SIGCONT)

    def _end(self, signal_: signal.Signals, deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        self._signal(signal_)
        self._signal(signal.SIGCONT)  # a frozen process would keep SIGTERM for later
        while self.pid is not None:
            if time.monotonic() > end:
                self._signal(signal.SIGKILL)
            time.sleep(0.02)  # not a child of this process, so it cannot be waited for
        self._close_parent_pipe()

    def _signal(self, signal_: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal_)

    def _close_parent_pipe(self) -> None:
        """Write a line, which ends the pipe's reader without a kill: the pid may belong to another process by now."""
        if self._parent_pipe is None:
            return
        with contextlib.suppress(BrokenPipeError):  # the reader has been killed
            os.write(self._parent_pipe, b"\n")
        os.close(self._parent_pipe)
        self._parent_pipe = None

    def _command(self, *main: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}"
        return [find_java(), *_JAVA_FLAGS, logging, "-cp", f"{fetch_jars()}/*", *main]

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

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.is_file() else []
        return "\n".join([f"The end of {self.log}:", *lines[-20:]])


def _command_line(pid: int) -> str:
    """Command line of a running process; empty if there is none, or only a zombie."""
    if Path("/proc/self").exists():
        process = Path("/proc", str(pid))
        try:
            # Also empty for an instant between the shell's fork and the exec of Java.
            while not (line := (process / "cmdline").read_text(errors="replace")) and not _is_zombie(process):
                time.sleep(0.001)  # not a child of this process, so it can only be polled
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return line.replace("\0", " ")
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
