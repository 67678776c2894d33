import dataclasses
from pathlib import Path

import pytest

from streams.errors import SettingsError
from streams.settings.sections import KafkaSettings, TopicSettings
from streams.settings.settings import Settings, load_settings, recipe_settings
from tests.unit.streams.settings.faults import faults, source_of


def test_without_any_source_every_value_is_a_default() -> None:
    settings = load_settings()
    assert settings == Settings()
    assert {row.source for row in settings.explain()} == {"default"}


def test_a_later_source_wins_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[kafka]\ngroup_id = "file"\nfetch_max_wait_ms = 11\n[topics]\npartitions = 3\n')
    monkeypatch.setenv("INTEREST_KAFKA__GROUP_ID", "environment")
    monkeypatch.setenv("INTEREST_TOPICS__PARTITIONS", "4")
    settings = load_settings(file, ["topics.partitions=5", "topics.partitions=6"])
    assert (settings.kafka.fetch_max_wait_ms, settings.kafka.group_id, settings.topics.partitions) == (
        11,
        "environment",
        6,
    )
    assert source_of(settings, "kafka.fetch_max_wait_ms") == str(file)
    assert source_of(settings, "kafka.group_id") == "environment variable INTEREST_KAFKA__GROUP_ID"
    assert source_of(settings, "topics.partitions") == "--set topics.partitions"
    assert source_of(settings, "worker.cache_mb") == "default"


def test_every_other_source_wins_over_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("interest.toml").write_text("[model]\nnum_layers = 3\n")
    monkeypatch.setenv("INTEREST_MODEL__EXPERTS", "true")
    settings = load_settings(None, ["model.hidden_size=96"], "horizon")
    model = settings.model
    assert (model.num_layers, model.experts, model.hidden_size, model.attention) == (3, True, 96, False)
    assert source_of(settings, "model.num_layers") == "interest.toml"
    assert source_of(settings, "model.attention") == "recipe horizon"
    assert recipe_settings("horizon").model.num_layers == 2


def test_variables_of_a_kubernetes_service_are_not_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "INTEREST_KAFKA_PORT": "tcp://10.0.0.1:9092",
        "INTEREST_KAFKA_SERVICE_HOST": "10.0.0.1",
        "INTEREST_KAFKA_PORT_9092_TCP_ADDR": "10.0.0.1",
        "INTEREST_PORT": "tcp://10.0.0.2:80",
    }.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == Settings()


def test_a_wrong_recipe_names_all_of_them() -> None:
    (fault,) = faults(recipe="horizont")
    assert fault.startswith("--recipe horizont: there is no such recipe, there are default, fusion, fusion-scaled, ")
    with pytest.raises(SettingsError, match="there are default, "):
        recipe_settings("../recipes/fusion")


def test_what_is_good_only_beside_another_value_is_judged_beside_it() -> None:
    assert (
        load_settings(None, ["model.fusion=gate", "model.embedding_dim=32", "model.hidden_size=32"]).model.hidden_size
        == 32
    )
    assert load_settings(None, ["model.embedding_dim=32", "model.hidden_size=32"], "fusion").model.fusion == "gate"
    (fault,) = faults(None, "model.embedding_dim=32", recipe="fusion")
    assert fault.startswith("recipe fusion: model.fusion = 'gate': model.fusion = gate needs model.embedding_dim")
    assert [fault.partition(":")[0] for fault in faults(None, "model.embedding_dim=0", recipe="fusion")] == [
        "recipe fusion",
        "--set model.embedding_dim",
    ]


def test_interest_toml_of_the_working_folder_is_read() -> None:
    Path("interest.toml").write_text("[worker]\ncache_mb = 7\n[kafka]\n")
    settings = load_settings()
    assert settings.worker.cache_mb == 7
    assert source_of(settings, "worker.cache_mb") == "interest.toml"


def test_a_named_file_replaces_the_one_of_the_working_folder(tmp_path: Path) -> None:
    Path("interest.toml").write_text("[worker]\ncache_mb = 7\n")
    (tmp_path / "other.toml").write_text("")
    assert load_settings(tmp_path / "other.toml") == Settings()


def test_every_setting_says_what_it_is_for() -> None:
    assert [row.key for row in Settings().explain() if not row.help] == []


def test_the_sections_of_the_model_are_validated_too() -> None:
    settings = load_settings(overrides=["model.embedding_dim=32", "model.dtype=bfloat16", "learning.lr=0.01"])
    assert (settings.model.embedding_dim, settings.model.dtype, settings.learning.lr) == (32, "bfloat16", 0.01)
    assert faults(None, "model.embedding_dim=0") == (
        "--set model.embedding_dim: model.embedding_dim = '0': model.embedding_dim must be at least 1",
    )
    assert "must be 'float32' or 'bfloat16'" in faults(None, "model.dtype=int8")[0]


def test_an_unknown_key_names_source_key_and_what_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[kafka]\ngruop_id = "x"\n')
    monkeypatch.setenv("INTEREST_KAFKA_GROUP_ID", "one underscore")
    of_file, of_environment, of_override = faults(file, "worker.partitions=3")
    assert of_file.startswith(f"{file}: unknown key kafka.gruop_id, did you mean kafka.group_id? (keys of kafka: ")
    assert "bootstrap_servers, group_id, " in of_file
    assert "variable INTEREST_KAFKA_GROUP_ID: " in of_environment
    assert "did you mean INTEREST_KAFKA__GROUP_ID?" in of_environment
    assert (
        "(sections: kafka, topics, registry, events, worker, trainer, items, model, learning, training, predictions, "
        "churn, monitoring, logging, web, policy, feedback)" in of_environment
    )
    assert of_override.startswith(
        "--set worker.partitions: unknown key worker.partitions, did you mean topics.partitions?"
    )


@pytest.mark.parametrize(
    ("override", "allowed"),
    [
        ("topics.partitions=0", "greater than or equal to 1"),
        ("topics.partitions=many", "valid integer"),
        ("topics.user_events=user events", "1 to 249 of A-Z a-z 0-9 . _ -"),
        ("topics.user_events=..", "neither . nor .."),
        ("kafka.group_id=" + "g" * 229, "1 to 228"),
        ("kafka.bootstrap_servers=localhost", "host:port"),
        ("kafka.bootstrap_servers=a:9092,http://b:9092", "leave out http://"),
        ("worker.step_interval_s=nan", "finite"),
        ("worker.step_max_events=1.5", "valid integer"),
        ("predictions.per=users", "'user' or 'event'"),
        ("items.capacity=0", "greater than or equal to 1"),
        ("model.text=bert", "'hashed', 'none', 'static:NAME' or 'sentence:NAME'"),
    ],
)
def test_a_bad_value_names_key_value_and_what_is_allowed(override: str, allowed: str) -> None:
    (fault,) = faults(None, override)
    key, value = override.split("=")
    assert fault.startswith(f"--set {key}: {key} = {value!r}: ")
    assert allowed in fault


def test_a_bad_value_is_a_fault_even_where_a_later_source_hides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEREST_WORKER__CACHE_MB", "lots")
    (fault,) = faults(None, "worker.cache_mb=8")
    assert fault.startswith("environment variable INTEREST_WORKER__CACHE_MB: worker.cache_mb = 'lots': must be")


def test_all_faults_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("interest.toml").write_text("[topics]\npartitions = 0\nreplicas = 3\n")
    monkeypatch.setenv("INTEREST_ITEMS__CAPACITY", "-1")
    assert len(faults(None, "kafka.group_id=", "nonsense")) == 5


def test_values_that_are_good_alone_but_not_together_name_their_sources() -> None:
    (fault,) = faults(None, "kafka.group_id=a", "topics.user_events=a-user-state-changelog")
    assert fault.startswith("--set kafka.group_id, --set topics.user_events: ")
    assert "'a-user-state-changelog' is the changelog's name" in fault


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[kafka\n", "is not TOML"),
        ("[kafka]\ngroup_id = '\udcff'\n", "is not TOML"),
        ("kafka = 3\n", "unknown key kafka"),
        ("[kafak]\n", "unknown key kafak"),
    ],
)
def test_a_malformed_file_is_a_fault_that_names_it(text: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    (fault,) = faults(file)
    assert fault.startswith(f"{file}: {expected}")


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    assert faults(tmp_path / "none.toml") == (f"{tmp_path / 'none.toml'}: can't be read: No such file or directory",)


def test_settings_made_by_hand_are_validated() -> None:
    with pytest.raises(ValueError, match="needs a different name"):
        TopicSettings(user_events="same", item_index="same")
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        dataclasses.replace(Settings().kafka, session_timeout_s=0)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().kafka.group_id = "other"  # type: ignore[misc]  # which mypy sees, too


def test_the_changelog_belongs_to_the_group() -> None:
    assert Settings(kafka=KafkaSettings(group_id="shop")).changelog_topic == "shop-user-state-changelog"


EVENTS = """
[events.map]
user = "properties.user.id"
item = "lines[0].sku"
[events.types]
"Watch Trailer" = "view"
scroll = "ignore"
"""


def test_a_schema_of_ones_own_is_described_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(EVENTS)
    settings = load_settings(file)
    assert settings.events.map == {"user": "properties.user.id", "item": "lines[0].sku"}
    assert settings.events.types == {"Watch Trailer": "view", "scroll": "ignore"}
    shown = {row.key: row for row in settings.explain()}
    assert shown["events.map"].value == '{ "user" = "properties.user.id", "item" = "lines[0].sku" }'
    assert shown["events.map"].source == str(file)


def test_a_map_may_be_an_inline_table_of_another_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTEREST_EVENTS__TYPES", '{ scroll = "ignore" }')
    settings = load_settings(None, ['events.map={ user = "uid" }'])
    assert (settings.events.map, settings.events.types) == ({"user": "uid"}, {"scroll": "ignore"})
    (fault,) = faults(None, "events.map=uid")
    assert fault.endswith('must be an inline table: { name = "value" }')


def test_unknown_roles_and_types_are_faults_that_name_those_allowed(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[events.map]\nusre = "a"\n[events.types]\nscroll = "veiw"\n')
    of_map, of_types = faults(file)
    assert of_map.startswith(f"{file}: events.map = ")
    assert "unknown role 'usre', did you mean user? (roles: user, item, type, time, value, text, event_id, " in of_map
    assert "'scroll' cannot be 'veiw' (types: other, view, click, " in of_types
    assert of_types.endswith("impression, user.delete, ignore)")
    file.write_text('[events.map]\nuser = "."\nitem = 5\n')
    assert "must be a valid string" in faults(file)[0]
