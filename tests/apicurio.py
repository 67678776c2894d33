"""A real schema registry for tests: Apicurio, whose API below /apis/ccompat/v7 is Confluent's."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.local_kafka.jars import fetch_jars, find_java

_ARTIFACT = "io.apicurio:apicurio-registry-app:2.6.13.Final:tar.gz:all"
_UNPACK = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:unpack"
_JAVA_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LISTENING = re.compile(r"Listening on: (http://127\.0\.0\.1:\d+)")
_START_S = 240.0  # on a busy machine
# Java ends when standard input does: with this process, however that ends.
_SCRIPT = 'log=$1; shift; "$@" </dev/null >"$log" 2>&1 & read -r _; kill -KILL $!; wait'


@contextmanager
def apicurio() -> Iterator[str]:
    """The URL of a registry that keeps schemas in memory, inside the block."""
    jar = next(_fetch().glob("apicurio-registry-app-*-runner.jar"))
    with tempfile.TemporaryDirectory(prefix="interest-registry-") as name:
        log = Path(name, "log")
        options = ("-Dquarkus.http.host=127.0.0.1", "-Dquarkus.http.port=0")
        program = [find_java(), *_JAVA_FLAGS, *options, "-jar", str(jar)]
        with subprocess.Popen(
            ["sh", "-c", _SCRIPT, "sh", str(log), *program], cwd=name, stdin=subprocess.PIPE
        ) as shell:
            try:
                url = f"{_listening_at(log)}/apis/ccompat/v7"
                with urllib.request.urlopen(f"{url}/subjects", timeout=60) as answer:
                    assert answer.status == 200
                yield url
            finally:
                assert shell.stdin is not None
                shell.stdin.close()


def _listening_at(log: Path) -> str:
    end_s = time.monotonic() + _START_S
    while time.monotonic() < end_s:
        text = log.read_text(errors="replace") if log.is_file() else ""
        if listening := _LISTENING.search(text):
            return listening[1]
        assert "Failed to start application" not in text, text[-5000:]
        time.sleep(0.1)  # a starting registry shows it in its log alone
    raise AssertionError(f"no registry within {_START_S:.0f} s\n{text[-5000:]}")


def _fetch() -> Path:
    """The folder of the registry's jars in the user's cache, fetched by Maven the first time (136 MB), else a skip."""
    cache = fetch_jars().parent
    folder = cache / f"apicurio-{_ARTIFACT.split(':')[2]}"
    with (cache / "apicurio.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            options = [f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={part}"]
            fetched = subprocess.run(
                ["mvn", "-B", "-q", _UNPACK, *options], capture_output=True, text=True, check=False, cwd=os.sep
            )
            if fetched.returncode:
                pytest.skip(f"Maven could not fetch {_ARTIFACT}: {fetched.stdout[-500:]}")
            part.rename(folder)
    return folder
