"""What the tests of the live page show: users whose interests move, items, quality, experiments, dead letters."""

from __future__ import annotations

import time
from collections.abc import Iterator

import msgspec
import orjson

from streams.errors import Rejected, RejectionCode
from streams.kafka.publisher import Publisher
from streams.kafka.topic_specs import policy_topic_specs
from streams.kafka.topics import ensure_topics
from streams.schema.dead_letters.dead_letter import dead_letter
from streams.schema.decisions.experiment import Arm, Experiment, Guardrail, encode_experiment
from streams.schema.predictions import Prediction
from streams.schema.quality import Means, WorkerQuality
from tests.inputs import event
from tests.integration.web_site import WebSite
from tests.records import consumer_record
from tests.unit.streams.experiments.rewards import reward
from tests.unit.streams.web.predictions import prediction

MARKUP = "<img src=x onerror=document.title='run'><script>document.title='run'</script>"
CATEGORIES = ("Comedy", "Crime", "Drama", "Horror", "Music", "Romance", "Sci-Fi", "Sport", "Western", MARKUP)
USERS = ("u0", "u1", "u10", "u2", "u3", MARKUP)
POINTS = 24  # predictions of a user
REWARDS = 1500  # of an experiment
CODES: tuple[RejectionCode, ...] = ("not_json", "not_json", "missing_field")
MOVES_AT = 14  # number of the one after which every user wants something else


def number_of(user: str, point: int) -> int:
    """The number of a user's event; it makes its id, offset and time."""
    return point * len(USERS) + USERS.index(user)


def predicted(user: str, point: int) -> Prediction:
    """The prediction after that event: the first interest, then another."""
    number, index = number_of(user, point), USERS.index(user)
    wanted = CATEGORIES[(index + 3) % len(CATEGORIES) if point >= MOVES_AT else index]
    categories = {wanted: 0.6, **{name: 0.04 for name in CATEGORIES if name != wanted}}
    items = {f"i{(index + step) % len(CATEGORIES)}": 0.3 / (step + 1) for step in range(5)}
    return prediction(
        user, number, items, categories, state_version=point + 1, emitted_at=int(time.time() * 1000),
        because=["i1", "i9"], because_weight=[0.4, 0.1], because_other=0.25,
    )  # fmt: skip


def _quality(now_ms: int) -> Iterator[tuple[bytes, bytes]]:
    for step in range(30):
        recall = 0.3 * step / (step + 5)
        popularity = Means(recall_at_10=0.09, mrr=0.04, log_loss=6.0)
        quality = WorkerQuality(
            worker="interest-worker-1", emitted_at=now_ms - (30 - step) * 20_000, model_version=f"00000001.{step}",
            events=step * 500, scored=step * 100 + 1, window=2000, possible=1900, popularity=popularity,
            partitions=[0, 1], recall_at_10=recall, mrr=recall / 2, log_loss=6.0 - 5 * recall,
        )  # fmt: skip
        yield quality.worker.encode(), msgspec.json.encode(quality)


def _rewards(now_ms: int) -> Iterator[tuple[bytes, bytes]]:
    """Of 300 users, of whom those of the second arm are rewarded half as often again."""
    for number in range(REWARDS):
        user, arm = f"u{number % 300}", ("usual", "warm")[number % 2]
        value = float(number % 10 < (6 if number % 2 else 3))
        time_ms = now_ms - 3_600_000 + number * 1000
        record = reward(user, value, time=time_ms, experiment="warmth", arm=arm)
        yield user.encode(), msgspec.json.encode(record)


async def _experiment(site: WebSite, now_ms: int) -> None:
    """An experiment whose arms differ, and one of another time."""
    await ensure_topics(site.settings, [spec.name for spec in policy_topic_specs(site.settings)])
    topics = site.settings.topics
    arms = Arm(name="usual"), Arm(name="warm", policy="softmax", parameters={"temperature": 1.0})
    guardrails = (Guardrail(metric="no_feedback", harm="increase", allowed=0.05),)
    for name, stop in {"warmth": None, "before": now_ms - 86_400_000}.items():
        experiment = Experiment(
            name=name, created_at=now_ms - (7_200_000 if stop is None else 9 * 86_400_000), arms=arms, control="usual",
            salt=name, expected_users=300, guardrails=guardrails, stopped_at=stop,
            stopped_because=MARKUP if stop else "",
        )  # fmt: skip
        await site.send(topics.interest_experiments, [(name.encode(), encode_experiment(experiment))])
    await site.send(topics.interest_rewards, list(_rewards(now_ms)))


async def fill(site: WebSite) -> None:
    """Write all of it, as producers and workers would."""
    topics, now_ms = site.settings.topics, int(time.time() * 1000)
    await _experiment(site, now_ms)
    catalog = [
        (f"i{number}".encode(), orjson.dumps({"title": f"The {name} Night", "categories": [name]}))
        for number, name in enumerate(CATEGORIES)
    ]
    await site.send(topics.item_catalog, catalog)
    order = [(user, point) for point in range(POINTS) for user in USERS]
    await site.send(
        topics.interest_predictions, [_keyed(predicted(user, point)) for user, point in order[: len(USERS)]]
    )
    events = (event(user, number_of(user, point), f"i{USERS.index(user)}") for user, point in order)
    await site.send(topics.user_events, ((key or b"", value or b"") for key, value in events))
    await site.send(
        topics.interest_predictions, [_keyed(predicted(user, point)) for user, point in order[len(USERS) :]]
    )
    await site.send(topics.interest_quality, list(_quality(now_ms)))
    async with Publisher(site.settings.kafka, topics.user_events_dlq) as publisher:
        for offset, code in enumerate(CODES):
            record = consumer_record(MARKUP.encode(), topic=topics.user_events, offset=offset)
            letter = dead_letter(record, Rejected(code, f"byte 0: {MARKUP}"), "1")
            await publisher.send([(letter.key or b"", letter.value or b"")], letter.headers)


def _keyed(made: Prediction) -> tuple[bytes, bytes]:
    return made.user_id.encode(), msgspec.json.encode(made)
