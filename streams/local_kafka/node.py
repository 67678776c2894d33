"""One Kafka process, broker and controller in one: its folder, its ports, its signals. Knows nothing of other nodes."""

import contextlib
import os
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from streams.errors import KafkaStartError
from streams.local_kafka.jars import jars, java

_SETTINGS = Path(__file__).with_name("server.properties")
_LOGGING = Path(__file__).with_name("kafka-log4j2.properties")
_JAVA_FLAGS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.awt.headless=true")

# Java runs detached and the shell prints its pid.
_LAUNCH = """
temporary=$1 log=$2; shift 2
exec 3<&0
"$@" </dev/null >>"$log" 2>&1 3<&- &
echo $!
"""
# A second process reads the lifeline, whose writing end only the starter holds: it ends without a line when the starter
# is gone, in whatever way, and then Java goes too, and with it the folder that nobody is left to remove.
_LAUNCH_OWNED = f"""{_LAUNCH}
{{ read -r _ <&3 || {{ kill -KILL $!; sleep 0.1; [ -z "$temporary" ] || rm -rf "$temporary"; }}; }} >/dev/null 2>&1 &
"""


class KafkaNode:
    """One node in `folder`; `ports` are those of its broker and of its controller and stay the same over restarts.

    `temporary` is removed when the starter dies without stopping the node.
    """

    def __init__(
        self,
        folder: Path,
        node_id: int,
        ports: tuple[int, int],
        settings: Mapping[str, str],
        temporary: Path | None = None,
    ) -> None:
        self.folder = folder
        self.node_id = node_id
        self.port = ports[0]
        self.log = folder / "kafka.log"
        self._config = folder / "server.properties"
        self._pid_file = folder / "pid"
        self._temporary = temporary
        self._lifeline: int | None = None
        self._settings = {
            "node.id": str(node_id),
            "listeners": f"PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports[0]}",
            "log.dirs": str(folder / "data"),
            **settings,
        }

    @property
    def pid(self) -> int | None:
        """Process id of the running broker, None when it is down."""
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(self._config) in _command_line(pid) else None

    def format(self, cluster_id: str) -> None:
        """The data folder is ready for a first start; one that has been formatted before is left as it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = "".join(f"{name}={value}\n" for name, value in self._settings.items())
        self._config.write_text(f"{_SETTINGS.read_text()}\n# This node\n{own}")
        if (self.folder / "data" / "meta.properties").is_file():
            return
        tool = ["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(self._config)]
        answer = subprocess.run(self._command(*tool), capture_output=True, text=True, check=False)
        if answer.returncode:
            raise KafkaStartError(f"Kafka could not format {self.folder}:\n{answer.stdout}{answer.stderr}")

    def launch(self, owned: bool) -> None:
        """The process runs, ready or not; an owned one ends with this process, even when that is killed."""
        if self.pid is not None:
            raise KafkaStartError(f"Kafka node {self.node_id} in {self.folder} runs already, as process {self.pid}.")
        self._release()
        command = self._command("kafka.Kafka", str(self._config))
        reader, self._lifeline = os.pipe() if owned else (os.open(os.devnull, os.O_RDONLY), None)
        answer = subprocess.run(
            [
                "sh",
                "-c",
                _LAUNCH_OWNED if owned else _LAUNCH,
                "sh",
                str(self._temporary or ""),
                str(self.log),
                *command,
            ],
            stdin=reader,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            start_new_session=True,  # a Ctrl-C at the terminal is for the starter, which then stops us in order
        )
        os.close(reader)
        self._pid_file.write_text(answer.stdout.strip())

    def start(self, deadline_s: float = 60.0) -> None:
        """The node runs again, on the same ports and data, and answers."""
        self.launch(owned=True)
        self.wait(brokers=1, deadline_s=deadline_s)

    def wait(self, brokers: int, deadline_s: float) -> None:
        """The node answers clients and knows of at least that many brokers."""
        end = time.monotonic() + deadline_s
        while (known := self._known_brokers()) < brokers:
            if self.pid is None:
                raise KafkaStartError(f"Kafka node {self.node_id} ended while it started. {self._log_tail()}")
            if time.monotonic() > end:
                raise KafkaStartError(
                    f"Kafka node {self.node_id} knew {known} of {brokers} brokers after {deadline_s:.0f} s. "
                    f"{self._log_tail()}"
                )
            time.sleep(0.05)  # a broker that starts can only be asked again

    def stop(self, deadline_s: float = 30.0) -> None:
        """The node is down, in good order if it managed that before the deadline."""
        self._end(signal.SIGTERM, deadline_s)

    def kill(self) -> None:
        """The node is down, without a word to anybody."""
        self._end(signal.SIGKILL, deadline_s=30.0)

    def pause(self) -> None:
        """The node is frozen: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """The node goes on where it was frozen."""
        self._signal(signal.SIGCONT)

    def _end(self, how: signal.Signals, deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        self._signal(how)
        self._signal(signal.SIGCONT)  # a frozen process would keep SIGTERM for later
        while self.pid is not None:
            if time.monotonic() > end:
                self._signal(signal.SIGKILL)
            time.sleep(0.02)  # not our child, so that there is nothing to wait on
        self._release()

    def _signal(self, which: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(pid, which)

    def _release(self) -> None:
        """The lifeline is closed; the line makes its reader go without a kill, for the pid may be another's by now."""
        if self._lifeline is None:
            return
        with contextlib.suppress(BrokenPipeError):  # its reader has been killed
            os.write(self._lifeline, b"\n")
        os.close(self._lifeline)
        self._lifeline = None

    def _command(self, *main: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}"
        return [java(), *_JAVA_FLAGS, logging, "-cp", f"{jars()}/*", *main]

    def _known_brokers(self) -> int:
        """How many brokers the node names in an answer to a metadata request; 0 while it does not answer."""
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
    """Command line of a running process; empty when there is none, or only its exit status is left."""
    if Path("/proc/self").exists():
        process = Path("/proc", str(pid))
        try:
            # Empty also for a moment while the process turns from the shell's fork into Java.
            while not (line := (process / "cmdline").read_text(errors="replace")) and not _is_zombie(process):
                time.sleep(0.001)  # not our child either: it can only be looked at again
        except (FileNotFoundError, ProcessLookupError):
            return ""
        return line.replace("\0", " ")
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def _is_zombie(process: Path) -> bool:
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] in "ZX"
