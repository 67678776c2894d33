"""A Java program of Kafka's jars as a process: start it, find it again, signal it, stop it."""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from streams.errors import KafkaStartError
from streams.local_kafka.jars import KAFKA_VERSION, class_archive, fetch_jars, find_java

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


class JavaProcess:
    """The class `main` of Kafka's jars, run with the file `config` in `folder`, by which its process is known.

    The folder `temporary` is removed if this process ends without stopping the other.
    """

    def __init__(
        self, name: str, folder: Path, main: str, config: Path, temporary: Path | None, version: str = KAFKA_VERSION
    ) -> None:
        self.folder = folder
        self.log = folder / "kafka.log"
        self._name = name
        self._main = main
        self._config = config
        self._pid_file = folder / "pid"
        self._temporary = temporary
        self._version = version
        self._parent_pipe: int | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running program; None if it does not run."""
        try:
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return pid if str(self._config) in _command_line(pid) else None

    def launch(self, end_with_parent: bool) -> None:
        """Start the process without waiting; with `end_with_parent` it ends when this process ends, even by SIGKILL."""
        if self.pid is not None:
            raise KafkaStartError(f"{self._name} in {self.folder} runs already, as process {self.pid}.")
        self._close_parent_pipe()
        command = self._command(self._main, str(self._config))
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
            start_new_session=True,  # Ctrl-C reaches only the parent, which then stops the process in order
        )
        os.close(reader)
        self._pid_file.write_text(answer.stdout.strip())

    def stop(self, deadline_s: float = 30.0) -> None:
        """Stop the process: SIGTERM, and SIGKILL after the deadline."""
        self._end(signal.SIGTERM, deadline_s)

    def kill(self) -> None:
        """Stop the process with SIGKILL."""
        self._end(signal.SIGKILL, deadline_s=30.0)

    def pause(self) -> None:
        """Freeze the process with SIGSTOP: its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue a frozen process."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """The last lines of its log."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.is_file() else []
        return "\n".join([f"The end of {self.log}:", *lines[-20:]])

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
        jars = fetch_jars(self._version)
        archive = class_archive(jars)
        shared = [f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []
        return [find_java(), *_JAVA_FLAGS, *shared, logging, "-cp", f"{jars}/*", *main]


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
