"""Settings sections of what a process shows of itself: metrics, health checks and its log."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from streams.settings.sections import STRICT

Port = Annotated[int, Field(ge=0, le=65_535)]


@dataclass(frozen=True, config=STRICT)
class MonitoringSettings:
    """Metrics and health checks over HTTP. Ports are 0 by default because several workers may share a machine."""

    host: str = field(
        default="127.0.0.1", metadata={"help": "address to serve metrics and health checks at; 0.0.0.0: all of them"}
    )
    port: Port = field(
        default=0, metadata={"help": "of /metrics, /health/live and /health/ready, of a worker or trainer; 0: none"}
    )
    trainer_port: Port = field(
        default=0, metadata={"help": "the same of the trainer that a worker runs as a child process; 0: none"}
    )
    live_timeout_s: Annotated[float, Field(ge=1, le=86_400)] = field(
        default=600.0,
        metadata={"help": "/health/live fails where events have waited for so long without a committed step"},
    )

    def __post_init__(self) -> None:
        if self.port and self.port == self.trainer_port:
            raise ValueError("monitoring.port and monitoring.trainer_port are of two processes: give each its own")


@dataclass(frozen=True, config=STRICT)
class LoggingSettings:
    """The log of a worker or trainer, on standard error."""

    format: Literal["text", "json"] = field(default="text", metadata={"help": "text, or json: an object per line"})
