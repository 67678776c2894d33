"""Settings sections of `streams`: Kafka, topics, worker, items, predictions."""

import dataclasses
import difflib
import re
import tomllib
from dataclasses import field
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.dataclasses import dataclass

from models.data.event_types import EVENT_TYPES

CHANGELOG_SUFFIX = "-user-state-changelog"
TRAINER_SUFFIX = "-trainer"
POLICY_SUFFIX = "-policy"
FEEDBACK_SUFFIX = "-feedback-changelog"
TOPIC_NAME_MAX = 249  # Kafka's own limit

EVENT_ROLES = {
    "user": "user_id",
    "item": "item_id",
    "type": "event_type",
    "time": "timestamp",
    "value": "value",
    "text": "text",
    "event_id": "event_id",
    "session": "session_id",
    "lang": "lang",
    "prediction_id": "prediction_id",
    "decision_id": "decision_id",
    "impression": "impression",
    "title": "title",
    "categories": "categories",
    "features": "features",
}
"""Role of `[events.map]` → field of an event; the last three are of `item.upsert`."""
IGNORED_TYPE = "ignore"
"""Type of `[events.types]` whose events are left out."""
ERASURE_TYPE: Final = "user.delete"
"""Type of the control record that erases a user."""

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)


def _kafka_name(most: int) -> AfterValidator:
    def check(name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name) or name in {".", ".."} or len(name) > most:
            raise ValueError(f"must be 1 to {most} of A-Z a-z 0-9 . _ - (and neither . nor ..)")
        return name

    return AfterValidator(check)


def _servers(servers: str) -> str:
    if scheme := re.search(r"[^,]*://", servers):
        raise ValueError(f"must be host:port, several with commas between: leave out {scheme[0]}")
    if not re.fullmatch(r"[^\s,]+:\d{1,5}(,[^\s,]+:\d{1,5})*", servers):
        raise ValueError("must be host:port, several with commas between")
    return servers


def inline_table(value: object) -> object:
    """The table that the text of an environment variable or of --set holds."""
    if not isinstance(value, str):
        return value
    try:
        return tomllib.loads(f"table = {value}")["table"]
    except tomllib.TOMLDecodeError:
        raise ValueError('must be an inline table: { name = "value" }') from None


def _known_roles(paths: dict[str, str]) -> dict[str, str]:
    for role, path in paths.items():
        if role not in EVENT_ROLES:
            near = difflib.get_close_matches(role, EVENT_ROLES, n=1)
            hint = f", did you mean {near[0]}?" if near else ""
            raise ValueError(f"unknown role {role!r}{hint} (roles: {', '.join(EVENT_ROLES)})")
        if not path.strip("."):
            raise ValueError(f"{role} needs a path such as properties.user.id")
    return paths


def _known_types(types: dict[str, str]) -> dict[str, str]:
    allowed = (*EVENT_TYPES, ERASURE_TYPE, IGNORED_TYPE)
    for name, event_type in types.items():
        if event_type not in allowed:
            raise ValueError(f"{name!r} cannot be {event_type!r} (types: {', '.join(allowed)})")
    return types


TopicName = Annotated[str, _kafka_name(TOPIC_NAME_MAX)]
GroupId = Annotated[str, _kafka_name(TOPIC_NAME_MAX - len(CHANGELOG_SUFFIX))]
Servers = Annotated[str, AfterValidator(_servers)]
Compression = Literal["none", "gzip", "snappy", "lz4", "zstd"]
SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]
NO_SECRET = SecretStr("")


@dataclass(frozen=True, config=STRICT)
class KafkaSettings:
    """How the worker reaches the broker and reads from it."""

    bootstrap_servers: Servers = field(
        default="127.0.0.1:9092", metadata={"help": "brokers to ask first, host:port with commas between"}
    )
    group_id: GroupId = field(
        default="interest", metadata={"help": "consumer group; the changelog topic's name begins with it"}
    )
    session_timeout_s: Annotated[float, Field(ge=1, le=1800)] = field(
        default=10.0, metadata={"help": "a worker without a heartbeat for so long loses its partitions"}
    )
    fetch_min_bytes: Annotated[int, Field(ge=1, le=2**30)] = field(
        default=65536, metadata={"help": "a fetch waits for so many bytes, or for fetch_max_wait_ms"}
    )
    fetch_max_wait_ms: Annotated[int, Field(ge=1, le=10_000)] = field(
        default=20, metadata={"help": "longest wait of a fetch; adds to latency when little arrives"}
    )
    max_record_bytes: Annotated[int, Field(ge=1024, le=2**30)] = field(
        default=2**20, metadata={"help": "a larger event goes to the dead-letter topic unread"}
    )
    compression: Compression = field(
        default="lz4", metadata={"help": "codec of what we write: none, gzip, snappy, lz4 or zstd; all are read"}
    )
    security_protocol: SecurityProtocol = field(
        default="PLAINTEXT", metadata={"help": "of the listener: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"}
    )
    ssl_ca_file: str = field(
        default="", metadata={"help": "PEM file of the authority that signed the brokers'; empty: the system's"}
    )
    ssl_cert_file: str = field(
        default="", metadata={"help": "PEM file of our certificate, where brokers ask for one (mutual TLS)"}
    )
    ssl_key_file: str = field(default="", metadata={"help": "PEM file of its key, if not in ssl_cert_file"})
    ssl_key_password: SecretStr = field(default=NO_SECRET, metadata={"help": "password of an encrypted key"})
    ssl_check_hostname: bool = field(
        default=True, metadata={"help": "whether a broker's certificate must be of the host that is asked"}
    )
    sasl_mechanism: SaslMechanism = field(
        default="PLAIN", metadata={"help": "of SASL_*: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"}
    )
    sasl_username: str = field(default="", metadata={"help": "user, or API key, of PLAIN and SCRAM"})
    sasl_password: SecretStr = field(default=NO_SECRET, metadata={"help": "its password, or API secret"})
    sasl_oauth_token_url: str = field(
        default="", metadata={"help": "of OAUTHBEARER: where client credentials are exchanged for tokens"}
    )
    sasl_oauth_client_id: str = field(default="", metadata={"help": "of OAUTHBEARER"})
    sasl_oauth_client_secret: SecretStr = field(default=NO_SECRET, metadata={"help": "of OAUTHBEARER"})
    sasl_oauth_scope: str = field(default="", metadata={"help": "of OAUTHBEARER, where the token endpoint asks for it"})

    @property
    def uses_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether clients authenticate by SASL."""
        return self.security_protocol in ("SASL_PLAINTEXT", "SASL_SSL")

    def __post_init__(self) -> None:
        if self.uses_sasl:
            needed = {
                "sasl_username": self.sasl_username,
                "sasl_password": self.sasl_password.get_secret_value(),
            }
            if self.sasl_mechanism == "OAUTHBEARER":
                needed = {
                    "sasl_oauth_token_url": self.sasl_oauth_token_url,
                    "sasl_oauth_client_id": self.sasl_oauth_client_id,
                    "sasl_oauth_client_secret": self.sasl_oauth_client_secret.get_secret_value(),
                }
            if missing := [f"kafka.{name}" for name, value in needed.items() if not value]:
                raise ValueError(
                    f"kafka.security_protocol {self.security_protocol} by {self.sasl_mechanism} needs "
                    f"{' and '.join(missing)}"
                )
        if self.ssl_key_file and not self.ssl_cert_file:
            raise ValueError("kafka.ssl_key_file needs kafka.ssl_cert_file, the certificate of the key")


@dataclass(frozen=True, config=STRICT)
class TopicSettings:
    """Names and shape of the topics."""

    user_events: TopicName = field(default="user-events", metadata={"help": "in: what users do, keyed by user_id"})
    interest_predictions: TopicName = field(
        default="interest-predictions", metadata={"help": "out: interest distributions, keyed by user_id"}
    )
    user_events_dlq: TopicName = field(
        default="user-events-dlq", metadata={"help": "out: records that could not be used, with the reason"}
    )
    item_index: TopicName = field(
        default="item-index", metadata={"help": "item ids in order of their index, one partition, kept for ever"}
    )
    item_catalog: TopicName = field(
        default="item-catalog", metadata={"help": "in: titles and categories, keyed by item_id"}
    )
    interest_quality: TopicName = field(
        default="interest-quality", metadata={"help": "out: prequential quality of each worker, keyed by worker"}
    )
    model_releases: TopicName = field(
        default="model-releases",
        metadata={"help": "releases of the model that all workers of a group share, one partition, compacted"},
    )
    decision_requests: TopicName = field(
        default="decision-requests", metadata={"help": "in: what is this user to be shown? keyed by user_id"}
    )
    interest_decisions: TopicName = field(
        default="interest-decisions", metadata={"help": "out: slates with their propensities, keyed by user_id"}
    )
    interest_rewards: TopicName = field(
        default="interest-rewards", metadata={"help": "out: what each decision led to, keyed by user_id"}
    )
    policy_states: TopicName = field(
        default="policy-states", metadata={"help": "what each policy has learnt, keyed by policy, one partition"}
    )
    interest_experiments: TopicName = field(
        default="interest-experiments", metadata={"help": "experiments with their arms, keyed by name, one partition"}
    )
    interest_churn: TopicName = field(default="interest-churn", metadata={"help": "out: users who fall silent"})
    interest_segments: TopicName = field(default="interest-segments", metadata={"help": "out: sizes of segments"})
    partitions: Annotated[int, Field(ge=1, le=10_000)] = field(
        default=8,
        metadata={"help": "of user_events, predictions, changelog, decisions and rewards; fixed once events are in"},
    )
    replication: Annotated[int, Field(ge=1, le=100)] = field(
        default=1, metadata={"help": "copies of each topic that is created; 3 in production"}
    )

    def __post_init__(self) -> None:
        names = [value for value in dataclasses.astuple(self) if isinstance(value, str)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"each topic needs a different name, but two or more are called {twice[0]!r}")


@dataclass(frozen=True, config=STRICT)
class EventSettings:
    """How records in a schema of one's own are read."""

    map: Annotated[dict[str, str], AfterValidator(_known_roles), BeforeValidator(inline_table)] = field(
        default_factory=dict, metadata={"help": "role → path in the record: user, item, type, time, value, text, …"}
    )
    types: Annotated[dict[str, str], AfterValidator(_known_types), BeforeValidator(inline_table)] = field(
        default_factory=dict, metadata={"help": "name of an event type → ours; ignore leaves its events out"}
    )


@dataclass(frozen=True, config=STRICT)
class WorkerSettings:
    """One worker process."""

    data_dir: Path = field(default=Path("data"), metadata={"help": "folder of this process alone: user rows"})
    step_interval_s: Annotated[float, Field(ge=0.001, le=60)] = field(
        default=0.05, metadata={"help": "time from one step (one transaction) to the next"}
    )
    step_max_events: Annotated[int, Field(ge=1, le=1_000_000)] = field(
        default=5000, metadata={"help": "most events in one step"}
    )
    step_timeout_s: Annotated[float, Field(ge=1, le=86_400)] = field(
        default=300.0,
        metadata={"help": "a step that computes or stores for longer ends the process, and others take its partitions"},
    )
    cache_mb: Annotated[int, Field(ge=1, le=2**20)] = field(
        default=256, metadata={"help": "block cache that all user tables share, MiB"}
    )


@dataclass(frozen=True, config=STRICT)
class ItemSettings:
    """The item vocabulary."""

    capacity: Annotated[int, Field(ge=1, le=2**31 - 2)] = field(
        default=1_000_000,
        metadata={
            "help": "items that have an embedding and counts at a time; beyond, a new item takes the place of the one "
            "unseen for longest"
        },
    )


@dataclass(frozen=True, config=STRICT)
class PredictionSettings:
    """What a prediction holds, and when one is written."""

    per: Literal["user", "event"] = field(
        default="user", metadata={"help": "one per user touched in a step, or one per event"}
    )
    format: Literal["json", "avro"] = field(
        default="json",
        metadata={"help": "json, or avro in Confluent's wire format (needs registry.url)"},
    )
    top_items: Annotated[int, Field(ge=1, le=1000)] = field(default=10, metadata={"help": "most likely items"})
    top_categories: Annotated[int, Field(ge=0, le=1000)] = field(default=5, metadata={"help": "most likely categories"})
    top_because: Annotated[int, Field(ge=0, le=100)] = field(
        default=3, metadata={"help": "past items that carried the prediction"}
    )
