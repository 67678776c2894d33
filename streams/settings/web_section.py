"""Settings section of the HTTP server."""

from dataclasses import field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic.dataclasses import dataclass

from streams.settings.sections import NO_SECRET, STRICT

_LOOPBACK_NAMES = frozenset({"localhost", "ip6-localhost"})


def _origin_list(origins: str) -> str:
    for origin in _split(origins):
        if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
            raise ValueError(f"{origin!r} is no origin, such as https://shop.example.com or http://localhost:3000")
    return origins


def _split(origins: str) -> tuple[str, ...]:
    return tuple(filter(None, (origin.strip() for origin in origins.split(","))))


@dataclass(frozen=True, config=STRICT)
class WebSettings:
    """One HTTP server."""

    host: Annotated[str, Field(min_length=1)] = field(
        default="127.0.0.1", metadata={"help": "address to listen at; any but loopback needs web.read_token"}
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = field(default=8080, metadata={"help": "0: any that is free"})
    data_dir: Path = field(
        default=Path("data/web"), metadata={"help": "folder of this process alone: its view of the topics"}
    )
    cache_mb: Annotated[int, Field(ge=1, le=2**20)] = field(
        default=64, metadata={"help": "block cache of the view, MiB"}
    )
    read_token: SecretStr = field(default=NO_SECRET, metadata={"help": "who may read"})
    write_token: SecretStr = field(default=NO_SECRET, metadata={"help": "who may also send events"})
    erase_token: SecretStr = field(default=NO_SECRET, metadata={"help": "who may also erase users"})
    allowed_origins: Annotated[str, AfterValidator(_origin_list)] = field(
        default="",
        metadata={"help": "origins of web pages elsewhere that may call the API, with commas between (CORS)"},
    )
    requests_per_s: Annotated[float, Field(ge=0, le=1e6)] = field(
        default=100.0, metadata={"help": "of one client's address, in bursts of twice as many; 0: any number"}
    )
    max_body_bytes: Annotated[int, Field(ge=1024, le=2**30)] = field(default=2**20, metadata={"help": "of a request"})
    max_streams: Annotated[int, Field(ge=0, le=100_000)] = field(
        default=200, metadata={"help": "streams of predictions that are open at the same time"}
    )
    history_points: Annotated[int, Field(ge=1, le=10_000)] = field(
        default=64, metadata={"help": "newest predictions of a user that are kept"}
    )
    audience_half_life_s: Annotated[float, Field(ge=1, le=10_000_000)] = field(
        default=3600.0, metadata={"help": "a user without events for so long has half the weight in what is trending"}
    )

    publish_segments_s: Annotated[float, Field(ge=0, le=86_400)] = field(
        default=0.0,
        metadata={"help": "seconds between two looks at the segments' sizes, which this server writes to "
                  "topics.interest_segments; of one server of a group alone; 0: none"},
    )  # fmt: skip

    @property
    def tokens(self) -> dict[str, str]:
        """The tokens that are set, by name of their role."""
        tokens = {"read": self.read_token, "write": self.write_token, "erase": self.erase_token}
        return {role: token.get_secret_value() for role, token in tokens.items() if token.get_secret_value()}

    @property
    def origins(self) -> tuple[str, ...]:
        """The origins of web.allowed_origins."""
        return _split(self.allowed_origins)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host in _LOOPBACK_NAMES:
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __post_init__(self) -> None:
        tokens = list(self.tokens.values())
        if short := [role for role, token in self.tokens.items() if len(token) < 16]:
            raise ValueError(f"web.{short[0]}_token needs at least 16 characters: openssl rand -hex 32 makes one")
        if len(set(tokens)) < len(tokens):
            raise ValueError("web.read_token, web.write_token and web.erase_token must differ")
