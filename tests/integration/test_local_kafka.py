import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.errors import KafkaStartError
from streams.kafka.topics import ensure_topics
from streams.local_kafka.class_archive import make_class_archive
from streams.local_kafka.cluster import LocalKafka, start_background, status, stop_background
from streams.local_kafka.jars import fetch_jars
from streams.settings.sections import KafkaSettings, TopicSettings
from streams.settings.settings import Settings
from tests.topics import create_topics

ROOT = Path(__file__).parents[2]


def python(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", script, *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT)}


def alive(pid: int) -> bool:
    command_line = Path("/proc", str(pid), "cmdline")
    return command_line.exists() and command_line.read_bytes() != b""


def wait_until_gone(pid: int, deadline_s: float = 120.0) -> None:
    end = time.monotonic() + deadline_s
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} still runs"
        time.sleep(0.02)  # polled: neither is a child of this process


async def create(kafka: LocalKafka, topic: str) -> None:
    await create_topics(kafka.bootstrap_servers, {topic: 2}, replication=len(kafka.nodes))


async def produce(kafka: LocalKafka, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all") as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def consume(kafka: LocalKafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap_servers, group_id=f"{topic}-readers", auto_offset_reset="earliest"
    )
    async with consumer:
        return sorted([(await consumer.getone()).value or b"" for _ in range(count)])


async def test_what_is_produced_is_consumed(kafka: LocalKafka, prefix: str) -> None:
    await create(kafka, prefix)
    await produce(kafka, prefix, [b"a", b"b", b"c"])
    assert await consume(kafka, prefix, 3) == [b"a", b"b", b"c"]


async def test_a_topic_that_nobody_created_is_not_there(kafka: LocalKafka, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.describe_topics([prefix])
        assert prefix not in await admin.list_topics()
    finally:
        await admin.close()


def test_a_kept_checkpoint_formats_a_node_as_kafkas_tool_does(tmp_path: Path) -> None:
    kept, by_tool = (LocalKafka(tmp_path / name) for name in ("kept", "by-tool"))
    fresh = LocalKafka(tmp_path / "fresh")
    fresh.nodes[0].format("a" * 22)  # from here on it is kept
    kept.nodes[0].format("a" * 22)
    by_tool.nodes[0].folder.mkdir()
    by_tool.nodes[0]._format_options = ["--ignore-formatted"]
    by_tool.nodes[0].format("a" * 22)
    folders = [kafka.nodes[0].folder / "data" for kafka in (kept, by_tool)]
    files = [{path.name: path.stat().st_size for path in folder.iterdir()} for folder in folders]
    assert files[0].keys() == files[1].keys()
    assert files[0]["bootstrap.checkpoint"] == files[1]["bootstrap.checkpoint"]
    ids = [
        dict(line.split("=") for line in (folder / "meta.properties").read_text().splitlines() if "=" in line)
        for folder in folders
    ]
    assert ids[0].keys() == ids[1].keys()
    assert [ids[0][name] for name in ("version", "cluster.id", "node.id")] == ["1", "a" * 22, "1"]
    assert len(ids[0].pop("directory.id")) == len(ids[1].pop("directory.id"))
    assert ids[0] == ids[1]


@pytest.mark.slow
async def test_a_restart_keeps_port_and_data_and_so_does_a_killed_node(tmp_path: Path) -> None:
    with LocalKafka(tmp_path / "kafka") as first:
        await create(first, "kept")
        await produce(first, "kept", [b"before"])
        first.nodes[0].kill()
        assert first.nodes[0].pid is None
        first.nodes[0].start()
        await produce(first, "kept", [b"killed"])
    assert first.nodes[0].pid is None
    with LocalKafka(tmp_path / "kafka") as second:
        assert second.bootstrap_servers == first.bootstrap_servers
        assert await consume(second, "kept", 2) == [b"before", b"killed"]


def test_a_killed_parent_leaves_no_broker_and_no_data() -> None:
    script = """
import signal
from streams.local_kafka.cluster import LocalKafka
kafka = LocalKafka().start()
kafka.nodes[0].pause()
print(kafka.nodes[0].pid, kafka.folder, flush=True)
signal.pause()
"""
    with subprocess.Popen(python(script), env=environment(), stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        assert alive(int(pid))
        parent.kill()
    wait_until_gone(int(pid))
    end = time.monotonic() + 120
    while Path(folder).exists():
        assert time.monotonic() < end, f"{folder} is still there"
        time.sleep(0.02)  # polled: neither is a child of this process


def test_a_background_kafka_outlives_its_starter_until_it_is_stopped(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from streams.local_kafka.cluster import start_background
print(*start_background(Path(sys.argv[1])).pids)
"""
    answer = subprocess.run(
        python(script, str(tmp_path)), env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    now = status(tmp_path)
    assert now is not None
    try:
        assert now.running
        assert now.pids == (int(answer.stdout),)
        assert start_background(tmp_path) == now  # it runs: nothing to do
        with pytest.raises(KafkaStartError, match="already"):
            LocalKafka(tmp_path).start()
        assert status(tmp_path) == now  # and the refused start has not stopped it
    finally:
        assert stop_background(tmp_path) == now
    after = status(tmp_path)
    assert after is not None
    assert after.pids == (None,)
    assert after.bootstrap_servers == now.bootstrap_servers
    wait_until_gone(int(answer.stdout))


def test_a_node_that_ends_while_it_starts_says_why(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path)
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", kafka.nodes[0].port))
        holder.listen()
        with pytest.raises(KafkaStartError, match=r"(?s)node 1 ended while it started.*Address already in use"):
            kafka.start()


def thread_states(pid: int) -> list[str]:
    """State of each thread of the process, as the kernel abbreviates it: T is stopped. None on other systems."""
    files = Path(f"/proc/{pid}/task").glob("*/stat")
    return [file.read_text().rpartition(")")[2].split()[0] for file in files]


@pytest.mark.slow
async def test_three_nodes_carry_on_without_one() -> None:
    with LocalKafka(nodes=3) as kafka:
        settings = Settings(
            kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers), topics=TopicSettings(replication=3)
        )
        topic = settings.topics.user_events
        assert {report.outcome for report in await ensure_topics(settings)} == {"created"}
        await produce(kafka, topic, [b"with three"])
        kafka.nodes[0].kill()
        assert {report.outcome for report in await ensure_topics(settings)} == {"ok"}
        await produce(kafka, topic, [b"with two"])
        assert await consume(kafka, topic, 2) == [b"with three", b"with two"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Of Kafka's classes, made in a new cache, from which all nodes after this start."""
    jars, cache = fetch_jars(), tmp_path_factory.mktemp("cache")
    (cache / "interest-stream").mkdir(parents=True)
    (cache / "interest-stream" / jars.name).symlink_to(jars)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        yield make_class_archive()


@pytest.mark.slow
def test_a_class_archive_is_made_once(archive: Path) -> None:
    assert archive.parent == Path(os.environ["XDG_CACHE_HOME"], "interest-stream")
    made_ns = archive.stat().st_mtime_ns
    assert make_class_archive() == archive
    assert archive.stat().st_mtime_ns == made_ns


def test_a_node_starts_from_the_archive_answers_once_no_longer_frozen_and_is_gone_with_its_data(archive: Path) -> None:
    with LocalKafka() as kafka:
        node = kafka.nodes[0]
        pid = node.pid
        assert pid is not None
        if Path("/proc/self/maps").is_file():  # elsewhere nothing lists the files that a process has mapped
            assert str(archive) in Path("/proc", str(pid), "maps").read_text()
        node.pause()
        while any(thread != "T" for thread in thread_states(pid)):
            time.sleep(0.01)  # the signal takes its time, and no child of ours stops
        with pytest.raises(KafkaStartError, match="knew 0 of 1 brokers"):
            node.wait_ready(brokers=1, deadline_s=1.0)
        node.resume()
        node.wait_ready(brokers=1, deadline_s=120.0)
    assert not alive(pid)
    assert not kafka.folder.exists()
