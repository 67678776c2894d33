"""What all tests share: one real Kafka for the session, and names that no other test uses."""

import fcntl
import gc
import os
import signal
import uuid
from collections import Counter
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path

# One thread for each numeric library in each process: the tests themselves run side by side, and no sum depends on the
# number of cores. Set before anything imports them.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import pytest
from hypothesis import HealthCheck, settings

from streams.local_kafka.cluster import LocalKafka

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell starts what it runs in the background with SIGINT ignored, and so would be what the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_TESTS = Path(__file__).parent.resolve()
_INTEGRATION = _TESTS / "integration"

# What a busy machine takes long for says nothing of the code.
settings.register_profile("quiet", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quiet")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--device cpu` tries the tests marked `cuda` on the CPU."""
    parser.addoption("--device", default="cuda", help="device of the tests marked cuda: 'cuda', 'cuda:N' or 'cpu'")


def _parts(folder: Path) -> list[Path]:
    """The folder, or where it has others its files and the parts of these."""
    inner = [path for path in folder.iterdir() if path.is_dir() and any(path.rglob("test_*.py"))]
    return [*folder.glob("test_*.py"), *chain.from_iterable(map(_parts, inner))] if inner else [folder]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Without the garbage collector, which takes a second in each process: what is imported and collected stays.

    Each of several processes begins with other files, so that not all compile the same ones where none was before.
    """
    arguments, worker = session.config.args, getattr(session.config, "workerinput", None)
    if worker is not None and [Path(argument).resolve() for argument in arguments] == [_TESTS]:
        parts = [str(part) for part in _parts(_TESTS)]
        first = len(parts) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        arguments[:] = parts[first:] + parts[:first]
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side, files of tests that wait for a broker begin among those of tests that compute, the longest first.

    So what waits leaves the cores to what computes from beginning to end, and no long file begins where nothing is
    left to run beside it. `--dist loadscope` gives the files to the processes in this order. A test marked `slow` takes
    about as long as four others.
    """
    if not hasattr(config, "workerinput"):  # one after the other, as they are collected
        return
    items.sort(key=lambda item: item.path)  # stable: the order within a file stays
    length: Counter[Path] = Counter()
    for item in items:
        length[item.path] += 4 if item.get_closest_marker("slow") else 1
    with_broker = [item for item in items if _INTEGRATION in item.path.parents]
    with_broker.sort(key=lambda item: (-length[item.path], item.path))
    computing = [item for item in items if _INTEGRATION not in item.path.parents]
    turn = {item: 0.5 * number / len(with_broker) for number, item in enumerate(with_broker)}
    turn |= {item: number / len(computing) for number, item in enumerate(computing)}
    items.sort(key=turn.__getitem__)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `cuda` are skipped where there is none."""
    if item.get_closest_marker("cuda") and item.config.getoption("--device") != "cpu":
        import torch  # takes a second, and most tests need none

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device here")


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """The device of the tests marked `cuda`."""
    return str(request.config.getoption("--device"))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """A running one-node Kafka that all processes of the session share.

    The first that asks for it starts it, and stops it when no other uses it; it ends with that process however the
    process ends. Tests that stop or freeze a node start a LocalKafka of their own.
    """
    session_folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        session_folder = session_folder.parent
    with (session_folder / "kafka-start").open("w") as start, (session_folder / "kafka-users").open("a+") as users:
        fcntl.flock(start, fcntl.LOCK_EX)  # one at a time
        fcntl.flock(users, fcntl.LOCK_SH)  # as long as it is used
        users.seek(0)
        if running := users.read():
            fcntl.flock(start, fcntl.LOCK_UN)
            yield LocalKafka(Path(running))
            return
        with LocalKafka() as started:
            users.write(str(started.folder))
            users.flush()
            fcntl.flock(start, fcntl.LOCK_UN)
            yield started
            fcntl.flock(users, fcntl.LOCK_EX)  # the others have ended
            users.truncate(0)


@pytest.fixture
def prefix() -> str:
    """Beginning of the topic names, group ids and transactional ids of one test."""
    return f"test-{uuid.uuid4().hex[:12]}"
