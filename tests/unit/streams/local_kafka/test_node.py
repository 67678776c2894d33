import os
from pathlib import Path

from streams.local_kafka.cluster import LocalKafka


def test_a_pid_that_is_another_process_is_not_the_broker(tmp_path: Path) -> None:
    kafka = LocalKafka(tmp_path)
    kafka.nodes[0].folder.mkdir()
    (kafka.nodes[0].folder / "pid").write_text(str(os.getpid()))
    assert kafka.nodes[0].pid is None
