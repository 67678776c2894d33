"""The topic of experiments: read whole, and one record written at a time."""

from __future__ import annotations

import logging
import time

import msgspec

from streams.errors import ExperimentError
from streams.kafka.publisher import Publisher
from streams.kafka.reader import read_topic
from streams.kafka.topics import ensure_topics
from streams.schema.decisions.experiment import Experiment, checked, decode_experiment, encode_experiment
from streams.settings.settings import Settings

log = logging.getLogger(__name__)


async def read_experiments(settings: Settings) -> dict[str, Experiment]:
    """The experiments by name, in order of their beginning. A record that is none is passed over with a warning.

    Raises TopicError where there is no such topic, KafkaError.
    """
    experiments: dict[str, Experiment] = {}
    async for record in read_topic(settings.kafka, settings.topics.interest_experiments):
        name = (record.key or b"").decode(errors="replace")
        try:
            if record.value is None:
                experiments.pop(name, None)
            else:
                experiments[name] = decode_experiment(record.value)
        except ExperimentError as error:
            log.warning("%s %d is passed over: %s", record.topic, record.offset, error)
    return dict(sorted(experiments.items(), key=lambda entry: entry[1].created_at))


async def write_experiment(settings: Settings, experiment: Experiment) -> None:
    """Writes the newest record of the experiment. Raises ExperimentError where it is none, TopicError, KafkaError."""
    value = encode_experiment(checked(experiment))
    async with Publisher(settings.kafka, settings.topics.interest_experiments) as publisher:
        await publisher.send([(experiment.name.encode(), value)])


async def create_experiment(settings: Settings, experiment: Experiment) -> None:
    """Writes an experiment. Raises ExperimentError where one of its name is there already; TopicError, KafkaError."""
    checked(experiment)
    await ensure_topics(settings, [settings.topics.interest_experiments])
    if (known := (await read_experiments(settings)).get(experiment.name)) is not None:
        state = "runs" if known.stopped_at is None else "has been stopped"
        raise ExperimentError(f"there is an experiment {experiment.name} already, which {state}: take another name")
    await write_experiment(settings, experiment)


async def stop_experiment(settings: Settings, name: str, because: str, arm: str | None = None) -> Experiment:
    """Stops the experiment, or one arm of it; what it is then. Raises ExperimentError, TopicError, KafkaError."""
    stopped = stopped_now(await _find(settings, name), because, arm)
    await write_experiment(settings, stopped)
    return stopped


async def change_traffic(settings: Settings, name: str, traffic: float) -> Experiment:
    """Gives the experiment this share of the users; what it is then. Raises ExperimentError, TopicError, KafkaError."""
    experiment = await _find(settings, name)
    if experiment.stopped_at is not None:
        raise ExperimentError(f"experiment {name} has been stopped: create another one")
    changed = msgspec.structs.replace(experiment, traffic=traffic)
    await write_experiment(settings, changed)
    return changed


async def _find(settings: Settings, name: str) -> Experiment:
    experiments = await read_experiments(settings)
    if (experiment := experiments.get(name)) is None:
        raise ExperimentError(f"there is no experiment {name}; there are: {', '.join(experiments) or 'none'}")
    return experiment


def stopped_now(experiment: Experiment, because: str, arm: str | None = None) -> Experiment:
    """The experiment, or one arm of it, stopped; one that was stopped before stays as it is. Raises ExperimentError."""
    stop = {"stopped_at": int(time.time() * 1000), "stopped_because": because}
    if arm is None:
        return experiment if experiment.stopped_at is not None else msgspec.structs.replace(experiment, **stop)
    if arm not in (names := [other.name for other in experiment.arms]):
        raise ExperimentError(f"experiment {experiment.name} has no arm {arm}; it has {', '.join(names)}")
    if arm == experiment.control:
        raise ExperimentError(f"{arm} is the control, without which nothing is compared: stop the experiment instead")
    arms = tuple(
        msgspec.structs.replace(other, **stop) if other.name == arm and other.stopped_at is None else other
        for other in experiment.arms
    )
    return msgspec.structs.replace(experiment, arms=arms)
