"""`faust.Worker` and the `faust` command: why the worker process starts and ends by its own code."""

import inspect
import signal
from pathlib import Path
from typing import Any

import aiohttp
import faust
import pytest
from faust.cli.worker import worker as WorkerCommand
from faust.types._env import WEB_PORT
from mode.worker import Worker

from streams.local_kafka.cluster import LocalKafka
from tests.contracts.cluster import Cluster, until
from tests.contracts.faust_app import new_app, running
from tests.contracts.worker_process import worker_process

PATIENCE_S = 3.0


async def test_a_worker_exits_with_1_where_the_broker_is_down(tmp_path: Path) -> None:
    """So our worker waits for the broker, and says so, before Faust starts.

    When it fails: Faust waits by itself; see whether it says so, and whether SIGTERM ends the waiting.
    """
    async with worker_process("ending_worker", "127.0.0.1:9", "app", "topic", folder=tmp_path) as worker:
        assert await worker.end() == 1
        assert "KafkaConnectionError" in worker.log


async def test_sys_exit_in_an_agent_leaves_a_worker_that_not_even_sigterm_ends(
    cluster: Cluster, tmp_path: Path
) -> None:
    """An agent ends the process with `os._exit` alone: after anything else the consumer's thread keeps it alive.

    When it fails: SystemExit has come to end a worker; `os._exit` stays the way that nothing can hold up.
    """
    topic = await cluster.create_topic()
    await cluster.send(topic, [b"sys.exit"])
    arguments = [cluster.bootstrap_servers, cluster.name("app"), topic]
    async with worker_process("ending_worker", *arguments, folder=tmp_path) as worker:
        await worker.wait_for_output("end", "sys.exit")
        worker.process.send_signal(signal.SIGTERM)
        with pytest.raises(TimeoutError):
            await worker.end(PATIENCE_S)


async def test_os_exit_in_an_agent_ends_the_worker_with_its_code(cluster: Cluster, tmp_path: Path) -> None:
    """70 reaches whoever watches the process, at once. When it fails: something runs its agents in another process."""
    topic = await cluster.create_topic()
    await cluster.send(topic, [b"os._exit"])
    arguments = [cluster.bootstrap_servers, cluster.name("app"), topic]
    async with worker_process("ending_worker", *arguments, folder=tmp_path) as worker:
        await worker.wait_for_output("end", "os._exit")
        assert await worker.end(PATIENCE_S) == 70


async def test_a_stop_does_not_end_while_the_broker_is_down(tmp_path: Path) -> None:
    """So the signals are ours and a timer in a thread ends the process: `Worker._schedule_shutdown` knows no deadline.

    aiokafka's `stop` is cancelled by its own fetch that waits to try again, the consumer's thread dies of it, and Faust
    waits for that thread for good. When it fails: see how long a stop takes before dropping our timer.
    """
    assert list(inspect.signature(Worker._schedule_shutdown).parameters) == ["self", "signal"]
    with LocalKafka() as kafka:
        cluster = Cluster(kafka.bootstrap_servers)
        topic = await cluster.create_topic()
        await cluster.send(topic, [b"running"])
        arguments = [cluster.bootstrap_servers, cluster.name("app"), topic]
        async with worker_process("ending_worker", *arguments, folder=tmp_path) as worker:
            await worker.wait_for_output("end", "running")
            kafka.nodes[0].kill()
            await until(lambda: "Unable connect" in worker.log)
            worker.process.send_signal(signal.SIGTERM)
            with pytest.raises(TimeoutError):
                await worker.end(PATIENCE_S)
            assert "Signal received" in worker.log


async def test_the_worker_command_turns_the_web_server_on_whatever_the_setting_says(cluster: Cluster) -> None:
    """`faust worker` overrides `web_enabled=False` by its own default, so our worker is no Faust command.

    When it fails: the setting holds against the command; the command is still not ours.
    """
    app = new_app(cluster)
    command: Any = object.__new__(WorkerCommand)
    command.app = app
    with_web = next(option for option in _click_options() if option.name == "with_web")
    nothing = dict.fromkeys(("web_port", "web_bind", "web_host", "web_transport"))
    command._init_worker_options(with_web=with_web.default, **nothing)
    assert app.conf.web_enabled


def _click_options() -> list[Any]:
    def command() -> None:
        pass

    for option in WorkerCommand.worker_options:
        option(command)
    return list(vars(command)["__click_params__"])


@pytest.mark.parametrize("enabled", [True, False])
async def test_the_web_server_answers_to_anybody_unless_it_is_off(
    cluster: Cluster, tmp_path: Path, unused_tcp_port: int, enabled: bool
) -> None:
    """`web_enabled=False` is always set: by default Faust serves its tables and router on every address.

    When it fails for False: the server starts all the same; find what turns it off.
    """
    assert faust.App("default").conf.web_enabled
    topic = await cluster.create_topic()
    app = new_app(cluster, datadir=tmp_path, web_enabled=enabled, web_port=unused_tcp_port)
    assert (app.conf.web_bind, WEB_PORT) == ("0.0.0.0", 6066)

    async def ignore(stream: Any) -> None:
        async for _ in stream.noack():
            pass

    app.agent(app.topic(topic))(ignore)
    async with running(app), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{unused_tcp_port}/router/"
        if enabled:
            async with session.get(url) as answer:
                assert answer.status == 200
        else:
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.get(url)
