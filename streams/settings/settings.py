"""Settings: one frozen object, merged from defaults < recipe < interest.toml < environment < --set.

The sections are defined in streams.settings.sections and models.config.
"""

import dataclasses
import difflib
import os
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple, cast

from pydantic import SecretStr, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from models.config import LearnerConfig, ModelConfig
from models.training_config import TrainingConfig
from streams.errors import SettingsError
from streams.settings.churn_section import ChurnSettings
from streams.settings.monitoring_section import LoggingSettings, MonitoringSettings
from streams.settings.policy_section import FeedbackSettings, PolicySettings
from streams.settings.recipes import RECIPES, recipe_file
from streams.settings.registry_section import RegistrySettings
from streams.settings.sections import (
    CHANGELOG_SUFFIX,
    STRICT,
    TRAINER_SUFFIX,
    EventSettings,
    ItemSettings,
    KafkaSettings,
    PredictionSettings,
    TopicSettings,
    WorkerSettings,
)
from streams.settings.toml_text import shown_value, toml_value
from streams.settings.trainer_section import TrainerSettings
from streams.settings.web_section import WebSettings

DEFAULT_FILE = Path("interest.toml")
ENVIRONMENT_PREFIX = "INTEREST_"


class SettingRow(NamedTuple):
    """One setting as `interest-stream config` prints it."""

    key: str  # section.key
    value: object
    source: str
    help: str


@dataclass(frozen=True, config=STRICT)
class Settings:
    """Every setting of a worker; equal when the values are, wherever they came from."""

    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    topics: TopicSettings = field(default_factory=TopicSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    events: EventSettings = field(default_factory=EventSettings)
    worker: WorkerSettings = field(default_factory=WorkerSettings)
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    items: ItemSettings = field(default_factory=ItemSettings)
    model: ModelConfig = field(default_factory=ModelConfig)
    learning: LearnerConfig = field(default_factory=LearnerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    predictions: PredictionSettings = field(default_factory=PredictionSettings)
    churn: ChurnSettings = field(default_factory=ChurnSettings)
    monitoring: MonitoringSettings = field(default_factory=MonitoringSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    web: WebSettings = field(default_factory=WebSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    feedback: FeedbackSettings = field(default_factory=FeedbackSettings)
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)  # section.key → source

    def __post_init__(self) -> None:
        if self.changelog_topic in dataclasses.astuple(self.topics):
            raise ValueError(f"{self.changelog_topic!r} is the changelog's name; give the topic another")

    @property
    def changelog_topic(self) -> str:
        """Topic of the user rows."""
        return self.kafka.group_id + CHANGELOG_SUFFIX

    @property
    def trainer_group(self) -> str:
        """Consumer group of the trainers, of which one at a time trains."""
        return self.kafka.group_id + TRAINER_SUFFIX

    @property
    def checkpoint_url(self) -> str:
        """Where the trainer's checkpoints are: a folder or a URL."""
        return self.trainer.checkpoint_url or str(self.worker.data_dir / "checkpoints")

    def explain(self) -> list[SettingRow]:
        """Every setting with its value, source ("default" if none set it) and help."""
        return [
            SettingRow(
                key := f"{section}.{option.name}",
                shown_value(getattr(getattr(self, section), option.name)),
                self.sources.get(key, "default"),
                option.metadata.get("help", ""),
            )
            for section, options in _OPTIONS.items()
            for option in options.values()
        ]

    def to_toml(self) -> str:
        """The text of an interest.toml that gives the same settings, help as comments."""
        lines: list[str] = []
        for row in self.explain():
            section, key = row.key.split(".")
            if f"[{section}]" not in lines:
                lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
            if is_secret(row.key):
                lines.append(f"# {key}, {row.help}: from {_spelling(row.key, _VARIABLE)}, or …_FILE, alone")
                continue
            lines += [f"# {row.help}", f"{key} = {toml_value(row.value)}"]
        return "\n".join(lines) + "\n"


_OPTIONS: dict[str, dict[str, "dataclasses.Field[Any]"]] = {
    section.name: {option.name: option for option in dataclasses.fields(cast(type[Any], section.default_factory))}
    for section in dataclasses.fields(Settings)
    if section.name != "sources"
}
KEYS = [f"{section}.{key}" for section, options in _OPTIONS.items() for key in options]
_KEYS_WITH_ONE_UNDERSCORE = {key.replace(".", "_") for key in KEYS}
_SETTINGS = TypeAdapter(Settings)
_VARIABLE = "environment variable "


class _Entry(NamedTuple):
    """One value from one source, not validated yet."""

    section: str
    key: str
    value: object
    source: str


def load_settings(file: Path | None = None, overrides: Sequence[str] = (), recipe: str | None = None) -> Settings:
    """The settings of this process; reads `file`, or ./interest.toml where present, and os.environ.

    `overrides` are "section.key=value", `recipe` is one of RECIPES. Raises SettingsError with every fault of every
    source, hidden ones included.
    """
    faults: list[str] = []
    if file is None and DEFAULT_FILE.is_file():
        file = DEFAULT_FILE
    entries = [
        *_from_recipe(recipe, faults),
        *(_from_file(file, str(file), faults) if file is not None else ()),
        *_from_environment(faults),
        *_from_overrides(overrides, faults),
    ]
    return _settings(entries, faults)


def recipe_settings(recipe: str, overrides: Sequence[str] = ()) -> Settings:
    """The defaults with this recipe and these overrides; file and environment are not read."""
    faults: list[str] = []
    return _settings([*_from_recipe(recipe, faults), *_from_overrides(overrides, faults)], faults)


def _settings(entries: Iterable[_Entry], faults: list[str]) -> Settings:
    values: defaultdict[str, dict[str, object]] = defaultdict(dict)
    valid: defaultdict[str, dict[str, object]] = defaultdict(dict)  # those that are valid alone
    sources: dict[str, str] = {}
    invalid_alone: list[_Entry] = []
    for entry in entries:
        section, key, value, source = entry
        if fault := _unknown_key(entry) or _exposed_secret(entry):
            faults.append(fault)
            continue
        values[section][key] = value
        sources[f"{section}.{key}"] = source
        if _validation_faults(section, {key: value}):
            invalid_alone.append(entry)
            valid[section].pop(key, None)
        else:
            valid[section][key] = value
    for section, key, value, source in invalid_alone:  # some are valid only together: embedding_dim and fusion
        wrong = _validation_faults(section, {**valid[section], key: value})
        given = "(secret)" if is_secret(f"{section}.{key}") else repr(value)
        faults += [f"{source}: {section}.{key} = {given}: {fault}" for fault in wrong]
    if not faults:
        try:
            return _SETTINGS.validate_python({**values, "sources": sources})
        except ValidationError as error:  # each value is valid alone, but not all together
            where = ", ".join(dict.fromkeys(sources.values()))
            faults += [f"{where}: {fault}" for fault in _messages(error)]
    raise SettingsError(faults)


def _from_recipe(recipe: str | None, faults: list[str]) -> Iterator[_Entry]:
    if recipe is None:
        return
    if recipe in RECIPES:
        yield from _from_file(recipe_file(recipe), f"recipe {recipe}", faults)
    else:
        faults.append(f"--recipe {recipe}: there is no such recipe, there are {', '.join(RECIPES)}")


def _from_file(file: Path, source: str, faults: list[str]) -> Iterator[_Entry]:
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        faults.append(f"{file}: can't be read: {error.strerror}")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        faults.append(f"{file}: is not TOML: {error}")
        return
    for section, table in tables.items():
        if table == {} and section in _OPTIONS:
            continue  # every key of the section is commented out
        keys = table if isinstance(table, dict) and table else {"": table}
        yield from (_Entry(section, key, value, source) for key, value in keys.items())


def _from_environment(faults: list[str]) -> Iterator[_Entry]:
    """The variables with `__`, and those that lack only the second underscore of a setting's.

    Others are not ours: a Kubernetes service named interest-kafka sets INTEREST_KAFKA_PORT in every pod.
    """
    for name, value in sorted(os.environ.items()):
        if name.startswith(ENVIRONMENT_PREFIX):
            section, underscores, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().partition("__")
            if not underscores and section.removesuffix("_file") not in _KEYS_WITH_ONE_UNDERSCORE:
                continue
            secret = key.removesuffix("_file")
            if secret != key and is_secret(f"{section}.{secret}"):
                try:
                    # Editors and `echo` end a file with a line feed, which is no part of any password.
                    key, value = secret, Path(value).read_text(encoding="utf-8").rstrip("\r\n")
                except (OSError, UnicodeDecodeError) as error:
                    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                    faults.append(f"{_VARIABLE}{name}: {value} can't be read: {reason}")
                    continue
            yield _Entry(section, key, value, _VARIABLE + name)


def _from_overrides(overrides: Sequence[str], faults: list[str]) -> Iterator[_Entry]:
    for override in overrides:
        path, equals, value = override.partition("=")
        section, dot, key = path.strip().partition(".")
        if equals and dot:
            yield _Entry(section, key, value, f"--set {path.strip()}")
        else:
            faults.append(f"--set {override}: is not section.key=value")


def _validation_faults(section: str, values: Mapping[str, object]) -> list[str]:
    try:
        _SETTINGS.validate_python({section: values})
    except ValidationError as error:
        return _messages(error)
    return []


def _unknown_key(entry: _Entry) -> str | None:
    options = _OPTIONS.get(entry.section, {})
    if entry.key in options:
        return None
    near = difflib.get_close_matches(f"{entry.section}.{entry.key}", KEYS, n=1)
    hint = f", did you mean {_spelling(near[0], entry.source)}?" if near else ""
    allowed = f"keys of {entry.section}: {', '.join(options)}" if options else f"sections: {', '.join(_OPTIONS)}"
    path = ".".join(filter(None, (entry.section, entry.key)))
    return f"{entry.source}: unknown key {path}{hint} ({allowed})"


def is_secret(key: str) -> bool:
    """Whether the setting (section.key) is never shown."""
    section, _, name = key.partition(".")
    option = _OPTIONS.get(section, {}).get(name)
    return option is not None and option.type is SecretStr


def _exposed_secret(entry: _Entry) -> str | None:
    """The fault of a secret where others can read it: in a process's arguments, or in a file of settings."""
    key = f"{entry.section}.{entry.key}"
    if not is_secret(key) or entry.source.startswith(_VARIABLE):
        return None
    variable = _spelling(key, _VARIABLE)
    return (
        f"{entry.source}: {key} is a secret, which command lines and settings files show to others: set {variable}, "
        f"or {variable}_FILE to the path of a file that holds it"
    )


def _spelling(key: str, source: str) -> str:
    return ENVIRONMENT_PREFIX + key.upper().replace(".", "__") if source.startswith(_VARIABLE) else key


def _messages(error: ValidationError) -> list[str]:
    return [
        fault["msg"].replace("Input should be", "must be").removeprefix("Value error, ") for fault in error.errors()
    ]
