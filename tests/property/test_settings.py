import dataclasses
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import LearnerConfig, ModelConfig
from models.data.event_types import EVENT_TYPES
from streams.settings.sections import (
    EVENT_ROLES,
    IGNORED_TYPE,
    TOPIC_NAME_MAX,
    EventSettings,
    ItemSettings,
    KafkaSettings,
    PredictionSettings,
    TopicSettings,
    WorkerSettings,
)
from streams.settings.settings import ENVIRONMENT_PREFIX, Settings, is_secret, load_settings

NAMES = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}", fullmatch=True)
HOSTS = st.from_regex(r"[a-z0-9.]{1,20}:[0-9]{1,5}", fullmatch=True)
# What a line of TOML, an environment variable and a path can all carry.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def positive(most: int) -> st.SearchStrategy[int]:
    return st.integers(1, most)


@st.composite
def topics(draw: st.DrawFn) -> TopicSettings:
    names = draw(st.lists(NAMES, min_size=11, max_size=11, unique=True))
    events, predictions, dlq, index, catalog, quality, releases, requests, decisions, rewards, states = names
    return TopicSettings(
        user_events=events,
        interest_predictions=predictions,
        user_events_dlq=dlq,
        item_index=index,
        item_catalog=catalog,
        interest_quality=quality,
        model_releases=releases,
        decision_requests=requests,
        interest_decisions=decisions,
        interest_rewards=rewards,
        policy_states=states,
        partitions=draw(positive(10_000)),
        replication=draw(positive(100)),
    )


SETTINGS = st.builds(
    Settings,
    kafka=st.builds(
        KafkaSettings,
        bootstrap_servers=st.lists(HOSTS, min_size=1, max_size=3).map(",".join),
        group_id=NAMES,
        session_timeout_s=st.floats(1, 1800),
        fetch_min_bytes=positive(2**30),
        fetch_max_wait_ms=positive(10_000),
        max_record_bytes=st.integers(1024, 2**30),
    ),
    topics=topics(),
    events=st.builds(
        EventSettings,
        map=st.dictionaries(st.sampled_from(sorted(EVENT_ROLES)), TEXT.filter(lambda path: path.strip("."))),
        types=st.dictionaries(TEXT, st.sampled_from([*EVENT_TYPES, IGNORED_TYPE])),
    ),
    worker=st.builds(
        WorkerSettings,
        data_dir=TEXT.map(Path),
        step_interval_s=st.floats(0.001, 60),
        step_max_events=positive(1_000_000),
        cache_mb=positive(2**20),
    ),
    items=st.builds(ItemSettings, capacity=positive(2**31 - 2)),
    model=st.builds(
        ModelConfig,
        embedding_dim=positive(512),
        seed=st.integers(0, 2**31 - 1),
        dtype=st.sampled_from(["float32", "bfloat16"]),
    ),
    learning=st.builds(LearnerConfig, lr=st.floats(1e-9, 1), events_per_step=positive(10_000)),
    predictions=st.builds(
        PredictionSettings,
        per=st.sampled_from(["user", "event"]),
        top_items=positive(1000),
        top_categories=st.integers(0, 1000),
        top_because=st.integers(0, 100),
    ),
)


@given(SETTINGS)
def test_settings_survive_a_file(settings: Settings) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "interest.toml"
        file.write_text(settings.to_toml(), encoding="utf-8", newline="\n")
        loaded = load_settings(file)
    assert loaded == settings
    assert {row.source for row in loaded.explain() if not is_secret(row.key)} == {str(file)}


@given(SETTINGS)
def test_settings_survive_overrides(settings: Settings) -> None:
    rows = [row for row in settings.explain() if not is_secret(row.key)]
    assert load_settings(None, [f"{row.key}={row.value}" for row in rows]) == settings


@given(SETTINGS)
def test_settings_survive_the_environment(settings: Settings) -> None:
    with pytest.MonkeyPatch.context() as environment:
        for row in settings.explain():
            if is_secret(row.key):
                continue
            environment.setenv(ENVIRONMENT_PREFIX + row.key.upper().replace(".", "__"), str(row.value))
        assert load_settings() == settings


@given(SETTINGS)
def test_every_topic_name_is_one_that_kafka_takes(settings: Settings) -> None:
    names = [value for value in dataclasses.astuple(settings.topics) if isinstance(value, str)]
    assert len({settings.changelog_topic, *names}) == len(names) + 1
    assert all(len(name) <= TOPIC_NAME_MAX for name in (settings.changelog_topic, *names))
