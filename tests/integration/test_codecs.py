"""Compressed records: by each codec, set by producer, topic or broker, from the three kinds of clients."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka import Producer

from streams.kafka.topic_specs import topic_specs
from streams.local_kafka.cluster import LocalKafka
from streams.local_kafka.jars import class_archive, fetch_jars, find_java
from tests.inputs import Input
from tests.integration.deployment import Deploy, Deployment, round_robin_event
from tests.segments import CODECS, segment, stored_batches

# More by hand, before a release
_EVENTS = int(os.environ.get("TEST_CODEC_EVENTS", "600"))
_TOOLS = "org.apache.kafka:kafka-tools:4.1.1"
_COMPRESSED = [codec for codec in CODECS if codec != "none"]


async def _send_with_aiokafka(site: Deployment, codec: str, records: list[Input]) -> None:
    compression = None if codec == "none" else codec
    async with site.producer(enable_idempotence=True, compression_type=compression) as producer:
        await site.send_by(producer, records)


def _send_with_librdkafka(site: Deployment, codec: str, records: list[Input]) -> None:
    """By confluent-kafka, with the partitioner that a producer of keyed events is to set."""
    producer = Producer(
        {
            "bootstrap.servers": site.servers,
            "compression.type": codec,
            "partitioner": "murmur2_random",
            "linger.ms": 20,
        }
    )
    for key, value in records:
        producer.produce(site.settings.topics.user_events, value, key)
        producer.poll(0)
    assert producer.flush(120) == 0


def _send_with_java(site: Deployment, codec: str, records: list[Input]) -> None:
    """By Kafka's console producer."""
    lines = b"".join((key or b"") + b"\t" + (value or b"") + b"\n" for key, value in records)
    archive = class_archive(fetch_jars())
    shared = [f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []
    program = [
        find_java(), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *shared,
        "-cp", f"{fetch_jars()}/*:{_console_producer()}",
        "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", site.servers,
        "--topic", site.settings.topics.user_events, "--compression-codec", codec,
        "--property", "parse.key=true", "--property", "key.separator=\t",
    ]  # fmt: skip
    done = subprocess.run(program, input=lines, capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _console_producer() -> Path:
    """The jar of Kafka's command line tools, which a broker goes without."""
    folder = fetch_jars().with_name("kafka-tools")
    jar = folder / f"{_TOOLS.split(':')[1]}-{_TOOLS.split(':')[2]}.jar"
    if not jar.is_file():
        maven = shutil.which("mvn")
        assert maven is not None
        copy = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
        subprocess.run([maven, "-B", "-q", copy, f"-Dartifact={_TOOLS}", f"-DoutputDirectory={folder}"], check=True)
    return jar


def _numbered(begin: int) -> list[Input]:
    return [round_robin_event(n) for n in range(begin, begin + _EVENTS)]


def _codecs_of(kafka: LocalKafka, topics: Iterable[str], partitions: int) -> set[str]:
    return {
        batch.codec
        for topic in topics
        for partition in range(partitions)
        for batch in stored_batches(segment(kafka, topic, partition))
        if not batch.is_control
    }


@pytest.mark.slow
async def test_events_of_every_codec_and_client_give_exact_rows(kafka: LocalKafka, deploy: Deploy) -> None:
    site = await deploy()
    worker = site.worker()
    for number, codec in enumerate(CODECS):
        begin = 3 * number * _EVENTS
        await _send_with_aiokafka(site, codec, _numbered(begin))
        _send_with_librdkafka(site, codec, _numbered(begin + _EVENTS))
        _send_with_java(site, codec, _numbered(begin + 2 * _EVENTS))
    await site.sent_by_others()
    await site.finish(worker)
    rows = await site.check(stopped=["a"])
    assert sum(row.count for row in rows.values()) == 3 * len(CODECS) * _EVENTS
    assert _codecs_of(kafka, [site.settings.topics.user_events], 3) == set(CODECS)


@pytest.mark.parametrize("codec", _COMPRESSED)
async def test_what_a_worker_writes_is_compressed_as_set(kafka: LocalKafka, deploy: Deploy, codec: str) -> None:
    site = await deploy(f"kafka.compression={codec}")
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(400))
    await site.finish(worker)
    await site.check(stopped=["a"])
    topics = site.settings.topics
    assert _codecs_of(kafka, [topics.interest_predictions, site.settings.changelog_topic], 3) == {codec}
    assert _codecs_of(kafka, [topics.item_index], 1) == {codec}


@pytest.mark.parametrize("codec", _COMPRESSED)
async def test_codec_set_by_the_topics(kafka: LocalKafka, deploy: Deploy, codec: str) -> None:
    site = await deploy("kafka.compression=none")
    async with site.admin() as admin:
        await admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, spec.name, {**spec.configs, "compression.type": codec})
                for spec in topic_specs(site.settings)
            ]
        )
    worker = site.worker()
    await site.send(round_robin_event(n) for n in range(400))
    await site.finish(worker)
    await site.check(stopped=["a"])
    topics = [site.settings.topics.user_events, site.settings.topics.interest_predictions]
    # A broker applies a topic's new configuration some time after it has accepted it.
    assert codec in _codecs_of(kafka, [*topics, site.settings.changelog_topic], 3) <= {"none", codec}


@pytest.mark.slow
async def test_codec_set_by_the_broker(tmp_path: Path, prefix: str) -> None:
    with LocalKafka(tmp_path / "kafka", settings={"compression.type": "zstd"}) as kafka:
        site = await Deployment(kafka.bootstrap_servers, prefix, tmp_path).create()
        worker = site.worker()
        try:
            await site.send(round_robin_event(n) for n in range(400))
            await site.finish(worker)
            await site.check(stopped=["a"])
        finally:
            worker.kill()
        topics = [site.settings.topics.user_events, site.settings.topics.interest_predictions]
        assert _codecs_of(kafka, [*topics, site.settings.changelog_topic], 3) == {"zstd"}
