"""Settings section of the schema registry."""

from dataclasses import field
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic.dataclasses import dataclass

from streams.settings.sections import NO_SECRET, STRICT


def _registry_url(url: str) -> str:
    if not url:
        return url
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("http", "https"):
        raise ValueError("must be http://host:port or https://host:port, with the path of Confluent's API after it")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password: set registry.username and the secret registry.password")
    return url.rstrip("/")


@dataclass(frozen=True, config=STRICT)
class RegistrySettings:
    """The schema registry whose ids records in Confluent's wire format begin with."""

    url: Annotated[str, AfterValidator(_registry_url)] = field(
        default="", metadata={"help": "of a schema registry with Confluent's API; empty: records are JSON"}
    )
    username: str = field(default="", metadata={"help": "user, or API key, where the registry asks for one"})
    password: SecretStr = field(default=NO_SECRET, metadata={"help": "its password, or API secret"})
    ca_file: str = field(
        default="", metadata={"help": "PEM file of the authority that signed the registry's; empty: the system's"}
    )
    timeout_s: Annotated[float, Field(ge=0.1, le=600)] = field(
        default=10.0, metadata={"help": "longest time that one request may take"}
    )
    max_wait_s: Annotated[float, Field(ge=0, le=86_400)] = field(
        default=60.0,
        metadata={"help": "a worker waits so long for a registry that does not answer, then it ends"},
    )
    register_schemas: bool = field(
        default=True,
        metadata={"help": "whether to register the schema of predictions; else it must be there"},
    )

    def __post_init__(self) -> None:
        if self.password.get_secret_value() and not self.username:
            raise ValueError("registry.password needs registry.username")
