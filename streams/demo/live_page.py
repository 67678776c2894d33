"""The demo's live page: `interest-stream web` beside the worker, which also knows what synthetic users truly want."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from streams.demo.input import DemoInput
from streams.errors import StreamError
from streams.settings.source import CommandLine
from streams.web.truths import TruePoint, TrueShare, Truth, write_truths
from streams.worker.process.launcher import WorkerProcess


class LivePage:
    """The process that serves it, with these settings ("section.key=value")."""

    def __init__(self, line: CommandLine, overrides: Sequence[str], folder: Path, demo_input: DemoInput):
        self._truths = true_interests(demo_input)
        self._file = folder / "truth.json"
        options = [f"--truth={self._file}"] if self._truths else []
        self._process = WorkerProcess(overrides, folder / "web.log", line.config, line.recipe, "web", options)

    async def start(self) -> str:
        """Its address, once it can be opened. The topics must exist, or it waits some seconds for them."""
        if self._truths:
            write_truths(self._file, self._truths)
        self._process.start()
        await self._process.wait_ready()
        return f"http://127.0.0.1:{self._process.monitoring_port}"

    def check(self) -> None:
        """Raise WorkerEndedError if it has ended."""
        self._process.check()

    def stop(self) -> None:
        """Stop it, in order or not; nothing happens where it does not run."""
        self._process.stop()

    def finish(self) -> None:
        """Stop it in order. Raises StreamError where that failed."""
        if code := self._process.stop():
            raise StreamError(f"the live page ended with code {code} after SIGTERM.\n{self._process.log_tail()}")


def true_interests(demo_input: DemoInput) -> list[Truth]:
    """The topic of each synthetic user over time, one point per change; empty for a log."""
    if demo_input.true_topic is None:
        return []
    points: dict[str, list[TruePoint]] = defaultdict(list)
    for index, event in enumerate(demo_input.events):
        topic, of_user = demo_input.true_topic(index), points[event.user_id]
        if not of_user or of_user[-1].categories[0].category != topic:
            of_user.append(TruePoint(event_time=event.time_ms, categories=[TrueShare(category=topic, p=1.0)]))
    return [Truth(user_id=user, points=of_user) for user, of_user in points.items()]
