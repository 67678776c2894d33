"""Settings of offline training; see `models.config`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Offline training of a log with `interest-stream train`."""

    epochs: int = field(
        default=40,
        metadata={
            "help": "passes over the log, at most; training stops early when the held-out loss no longer improves"
        },
    )
    held_out_share: float = field(
        default=0.1,
        metadata={
            "help": "last part of the log, held out for early stopping; it is trained on afterwards, as a stream"
        },
    )
    lr: float = field(default=5e-3, metadata={"help": "initial learning rate of Adam"})
    lr_reductions: int = field(
        default=2, metadata={"help": "times that the learning rate is multiplied by .3 before training stops"}
    )
    window: int = field(default=100, metadata={"help": "events of a user in one training window, at most"})
    batch_events: int = field(
        default=1600, metadata={"help": "events in one optimizer step, at most a thirtieth of the log"}
    )
    gradient_accumulation_steps: int = field(
        default=1, metadata={"help": "parts of an optimizer step, computed one after the other to save memory"}
    )
    event_dropout: float = field(default=0.0, metadata={"help": "share of the events of each window dropped at random"})
    input_dropout: float = field(default=0.2, metadata={"help": "dropout of each event's embedding in training"})
    dropout: float = field(default=0.5, metadata={"help": "dropout of state and attention in training"})
    max_grad_norm: float = field(default=5.0, metadata={"help": "largest norm of a step's gradient (clipping)"})
    full_softmax_items: int = field(
        default=20_000,
        metadata={"help": "items up to which the loss covers all of them; beyond, a sample (sampled softmax)"},
    )
    sampled_items: int = field(default=4096, metadata={"help": "items in that sample"})

    def __post_init__(self) -> None:
        for name in ("epochs", "window", "batch_events", "gradient_accumulation_steps", "sampled_items"):
            if getattr(self, name) < 1:
                raise ValueError(f"training.{name} must be at least 1")
        if self.lr_reductions < 0:
            raise ValueError("training.lr_reductions must not be negative")
        for name in ("lr", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"training.{name} must be positive")
        for name in ("held_out_share", "event_dropout", "input_dropout", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"training.{name} must be from 0 to below 1")
