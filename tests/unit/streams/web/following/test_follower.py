import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.policy.arms import Arms
from streams.policy.known_policies import KnownPolicies
from streams.settings.settings import load_settings
from streams.web.following.follower import Follower
from streams.web.following.policy_watch import PolicyWatch
from streams.web.view.view import View


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Of something that takes connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_broker_that_never_answers_keeps_nobody_from_stopping(
    silent_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.web.following.follower._STOP_S", 0.2)
    view = View(load_settings(None, [f"web.data_dir={tmp_path}"]))
    settings = load_settings(None, [f"kafka.bootstrap_servers=127.0.0.1:{silent_port}"])
    failures: list[Exception] = []
    policies = KnownPolicies(settings.policy)
    watch = PolicyWatch(settings, policies, Arms(policies))
    follower = Follower(settings, view, watch, lambda _: None, failures.append)
    follower.start()
    assert follower.waits_for
    follower.stop()
    monkeypatch.setattr("streams.web.following.follower._STOP_S", 60.0)
    follower.stop()
    assert not follower.is_alive()
    assert failures == []
    view.close()
