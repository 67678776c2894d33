import msgspec
import pytest

from bench.errors import PeerError
from bench.throughput.peers.job import Job
from bench.throughput.peers.meter import Measurement, Meter, Progress


def job(events: int = 100, warmup_events: int = 10) -> Job:
    return Job("127.0.0.1:1", "source", "run", 8, events, warmup_events, "folder", 858)


def measured(capfd: pytest.CaptureFixture[str]) -> Measurement:
    last = capfd.readouterr().out.splitlines()[-1]
    return msgspec.json.decode(last, type=Measurement)


def test_the_events_that_end_the_warmup_are_not_measured(capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter(job())
    assert not meter.add_events(9, {"model": 5.0})
    assert not meter.add_events(6, {"model": 5.0})
    assert not meter.add_events(80, {"model": 1.0, "store": 0.5})
    assert meter.add_events(7, {"model": 1.0})
    measurement = measured(capfd)
    assert (measurement.applied, measurement.events) == (102, 87)
    assert measurement.stage_s == {"model": 2.0, "store": 0.5}


def test_cpu_is_counted_after_the_warmup_and_sleep_is_not_cpu(capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter(job())
    sum(range(3_000_000))
    meter.add_events(10)
    sum(range(300_000))
    assert meter.add_events(90)
    measurement = measured(capfd)
    longer = Meter(job())
    longer.add_events(10)
    sum(range(3_000_000))
    longer.add_events(90)
    assert 0 < measurement.cpu_s < measured(capfd).cpu_s
    assert measurement.wall_s > 0


def test_progress_is_sent_when_events_are_applied(capfd: pytest.CaptureFixture[str]) -> None:
    meter = Meter(job())
    meter.add_events(0)
    assert capfd.readouterr().out == ""
    meter.add_events(3)
    assert msgspec.json.decode(capfd.readouterr().out, type=Progress) == Progress(3)


def test_a_job_that_ends_in_the_warmup_is_an_error() -> None:
    with pytest.raises(PeerError, match="--events"):
        Meter(job()).add_events(100)
