"""What an operator may turn: the network and its learning.

Plain frozen dataclasses: the settings of the application are composed of them.
"""

import re
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Shape of the network and of a user's memory, and where it computes."""

    embedding_dim: int = field(default=64, metadata={"help": "numbers in an item's embedding (d)"})
    hidden_size: int = field(default=128, metadata={"help": "numbers in the recurrent state (H)"})
    history_length: int = field(
        default=50, metadata={"help": "last events of a user that attention sees and learning re-runs (K)"}
    )
    allow_repeats: bool = field(
        default=True,
        metadata={"help": "false: never predict an item that the user already had (films); true: items come back"},
    )
    num_layers: int = field(default=1, metadata={"help": "layers of the LSTM"})
    attention: bool = field(default=True, metadata={"help": "attend to the user's last events beside the LSTM's state"})
    fusion: Literal["linear", "gate", "scaled-gate"] = field(
        default="linear",
        metadata={
            "help": "what becomes of state, attention and last event: a linear map; or the state alone, gated by "
            "itself and the last text (softmax; scaled: with a mean of 1), which needs embedding_dim = hidden_size"
        },
    )
    long_term: bool = field(
        default=False, metadata={"help": "add long-term interest, read from the last events as a set (convolution)"}
    )
    item_embeddings: bool = field(
        default=True, metadata={"help": "a learnt vector per item; false: an item is its content and popularity alone"}
    )
    objective: Literal["softmax", "sigmoid", "degree"] = field(
        default="softmax",
        metadata={
            "help": "loss: cross-entropy over all items, binary cross-entropy of each item, or squared error of the "
            "degree of interest (1 for the item that came, 0 for the others)"
        },
    )
    features: int = field(
        default=0, metadata={"help": "numbers that the catalog gives for an item (`features`) and the network reads"}
    )
    text: str = field(
        default="hashed",
        metadata={
            "help": "how titles and reviews become vectors: 'hashed' (n-grams, any language), 'none', or with the "
            "extra `text` a pretrained model, 'static:NAME' (its token embeddings) or 'sentence:NAME' (all of it, some "
            "hundred times slower); NAME is a folder, an installed package that holds a model, or a model's name"
        },
    )
    seen_bits: int = field(
        default=4096,
        metadata={
            "help": "bits per user that remember the items already had (allow_repeats = false): exact up to this many "
            "items; beyond, (the user's items) / seen_bits of the other items are left out by mistake"
        },
    )
    experts: bool = field(
        default=True,
        metadata={"help": "mix the network with counts of what is popular and of what followed what; false: it alone"},
    )
    # R@10 on ml-100k's events from 40 % to 70 %, one pass from nothing: 64 .2185, 256 .2246, 1024 .2251.
    max_successors: int = field(
        default=256,
        metadata={"help": "successors and predecessors kept per item, 8 bytes each; a multiple of 16 (experts)"},
    )
    # Of batches of 128, a quarter, half and all teach alike (.2246, .2242, .2230; log-losses from 5.434 to 5.427).
    sampled_events: int = field(
        default=32,
        metadata={
            "help": "events of one step, at most, that are scored before they are learnt (interest-quality) and teach "
            "how far each expert is believed; a quarter of them"
        },
    )
    seed: int = field(default=0, metadata={"help": "seed of the initial weights; the same in every worker"})
    device: str = field(default="auto", metadata={"help": "'auto' (cuda where available), 'cpu', 'cuda' or 'cuda:N'"})
    threads: int = field(
        default=1,
        metadata={"help": "CPU threads of one computation; steps and learning compute side by side"},
    )
    dtype: Literal["float32", "bfloat16"] = field(
        default="float32", metadata={"help": "number type of the computation"}
    )

    def __post_init__(self) -> None:
        for name in ("embedding_dim", "hidden_size", "num_layers", "history_length", "seen_bits", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} must be at least 1")
        if not re.fullmatch(r"none|hashed|(static|sentence):\S.*", self.text):
            raise ValueError(
                f"model.text must be 'hashed', 'none', 'static:NAME' or 'sentence:NAME', not {self.text!r}"
            )
        if self.features < 0:
            raise ValueError("model.features must not be negative")
        if self.fusion != "linear" and self.embedding_dim != self.hidden_size:
            raise ValueError(f"model.fusion = {self.fusion} needs model.embedding_dim = model.hidden_size")
        if not self.item_embeddings and self.text == "none" and not self.features:
            raise ValueError("model.item_embeddings = false needs model.text or model.features to tell items apart")
        if not 0 <= self.seed < 2**31:
            raise ValueError("model.seed must be from 0 to 2147483647")
        if self.max_successors < 16 or self.max_successors % 16:
            raise ValueError("model.max_successors must be a multiple of 16")
        if self.sampled_events < 0:
            raise ValueError("model.sampled_events must not be negative")
        if self.seen_bits % 8:
            raise ValueError("model.seen_bits must be a multiple of 8")


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """How the weights follow the stream.

    The defaults were chosen by recall@10 over the events from 40 % to 70 % of ml-100k, in one pass from nothing: .203.
    """

    # Without dropout .184, with .2 / .2 of it .195, .2 / .5 .196; .2 / .6 to .2 / .8 are alike. Without the larger rate
    # of the first steps (learner.py) .193. At .2 / .5: 256 events per step .193, 64 .196 at twice the cost; 4 or 16
    # replayed windows .197 and .198 at .8 and 1.6 times the cost.

    optimizer: Literal["adam", "adagrad"] = field(
        default="adam", metadata={"help": "'adam', or 'adagrad', whose rate wants to be ten times as large"}
    )
    lr: float = field(
        default=1e-3,
        metadata={"help": "learning rate; from nothing, the first step is 12 times as long and the 1000th twice"},
    )
    input_dropout: float = field(
        default=0.2, metadata={"help": "share of each event's embedding left out while learning"}
    )
    dropout: float = field(default=0.6, metadata={"help": "share of state and attention left out while learning"})
    max_grad_norm: float = field(default=5.0, metadata={"help": "largest norm of a step's gradient"})
    events_per_step: int = field(default=128, metadata={"help": "new events in one optimisation step, at most"})
    replay_windows: int = field(default=8, metadata={"help": "remembered windows replayed in each step"})
    reservoir_windows: int = field(default=4096, metadata={"help": "windows remembered for replay"})
    queue_events: int = field(
        default=16384, metadata={"help": "events that may wait to be learnt; the oldest are dropped"}
    )
    full_softmax_items: int = field(default=20_000, metadata={"help": "items up to which the loss sees all of them"})
    sampled_items: int = field(default=4096, metadata={"help": "items that the loss samples beyond that"})

    def __post_init__(self) -> None:
        for name in ("events_per_step", "reservoir_windows", "queue_events", "sampled_items"):
            if getattr(self, name) < 1:
                raise ValueError(f"learning.{name} must be at least 1")
        if self.replay_windows < 0:
            raise ValueError("learning.replay_windows must not be negative")
        for name in ("lr", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"learning.{name} must be positive")
        for name in ("input_dropout", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"learning.{name} must be from 0 to below 1")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How `interest-stream train` learns a log before any worker starts."""

    epochs: int = field(default=40, metadata={"help": "passes over the log, at most; it stops where they help no more"})
    held_out_share: float = field(
        default=0.1,
        metadata={"help": "last part of the log that says when to stop; it is learnt afterwards, as a stream"},
    )
    lr: float = field(default=5e-3, metadata={"help": "learning rate of Adam to begin with"})
    lr_reductions: int = field(
        default=2, metadata={"help": "times that the rate is made smaller, to .3 of it, before training stops"}
    )
    window: int = field(default=100, metadata={"help": "events of a user in one window, at most"})
    batch_events: int = field(
        default=1600, metadata={"help": "events in one optimisation step, at most a thirtieth of the log's"}
    )
    gradient_accumulation_steps: int = field(
        default=1, metadata={"help": "parts that a step is computed in, one after the other, to save memory"}
    )
    event_dropout: float = field(
        default=0.0, metadata={"help": "share of the events of each window left out at random"}
    )
    input_dropout: float = field(
        default=0.2, metadata={"help": "share of each event's embedding left out while learning"}
    )
    dropout: float = field(default=0.5, metadata={"help": "share of state and attention left out while learning"})
    max_grad_norm: float = field(default=5.0, metadata={"help": "largest norm of a step's gradient"})
    full_softmax_items: int = field(default=20_000, metadata={"help": "items up to which the loss sees all of them"})
    sampled_items: int = field(default=4096, metadata={"help": "items that the loss samples beyond that"})

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
