"""Settings of the network and its training, as frozen dataclasses; the settings of the application contain them."""

import re
from dataclasses import dataclass, field
from typing import Final, Literal

TEXT_CODE_BYTES: Final = 8
"""Of a text in a user's row: see models.text.sign_codes"""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Architecture of the network, size of a user's stored state, and how both are computed."""

    embedding_dim: int = field(default=64, metadata={"help": "size of an item embedding (d)"})
    hidden_size: int = field(default=128, metadata={"help": "size of the LSTM's hidden state (H)"})
    history_length: int = field(
        default=50, metadata={"help": "last events of a user that are stored, attended to and trained on (K)"}
    )
    allow_repeats: bool = field(
        default=True,
        metadata={"help": "true: predict items that the user already had, too; false: filter them out (films)"},
    )
    num_layers: int = field(default=1, metadata={"help": "number of LSTM layers"})
    attention: bool = field(
        default=True, metadata={"help": "attention over the user's last events, queried by the LSTM's state"}
    )
    fusion: Literal["linear", "gate", "scaled-gate"] = field(
        default="linear",
        metadata={
            "help": "how state, attention and last event become the interest vector: 'linear' (a linear map of all), "
            "'gate' (the state times a softmax gate of state and last text) or 'scaled-gate' (that gate scaled to a "
            "mean of 1); gates need embedding_dim = hidden_size"
        },
    )
    long_term: bool = field(
        default=False,
        metadata={"help": "add a long-term interest vector: convolution and max pooling over the last events"},
    )
    item_embeddings: bool = field(
        default=True, metadata={"help": "train an embedding per item; false: an item is its content and its bias alone"}
    )
    objective: Literal["softmax", "sigmoid", "degree"] = field(
        default="softmax",
        metadata={
            "help": "loss: 'softmax' (cross-entropy over all items), 'sigmoid' (binary cross-entropy per item) or "
            "'degree' (squared error of a degree of interest: 1 for the next item, 0 for the others)"
        },
    )
    features: int = field(
        default=0,
        metadata={
            "help": "length of the feature vector of an item in the catalog (`features`, of its picture say) that the "
            "network reads"
        },
    )
    numbers: str = field(
        default="",
        metadata={
            "help": "names of numbers of an item in the catalog (`numbers`) that the network reads, with commas "
            "between: 'price, stock, rating'"
        },
    )
    user_features: int = field(
        default=0,
        metadata={"help": "length of a user's feature vector (`features` of user.upsert) that the network reads"},
    )
    user_numbers: str = field(
        default="",
        metadata={
            "help": "names of a user's numbers (`numbers` of user.upsert) that the network reads, with commas between: "
            "'age, tenure_days'"
        },
    )
    text: str = field(
        default="hashed",
        metadata={
            "help": "text encoder of titles and reviews: 'hashed' (character n-grams, any language), 'none', or with "
            "the extra `text` a pretrained model, 'static:NAME' (mean of its token embeddings) or 'sentence:NAME' (all "
            "layers, some hundred times slower); NAME is a folder, an installed package with a model, or a model's name"
        },
    )
    seen_bits: int = field(
        default=4096,
        metadata={
            "help": "bits per user of the bitmap of items already had (allow_repeats = false): exact up to this many "
            "registered items; beyond, (the user's items) / seen_bits of the other items are filtered out by mistake"
        },
    )
    experts: bool = field(
        default=True,
        metadata={
            "help": "mix the network with popularity and co-occurrence counts (mixture of experts); false: network only"
        },
    )
    # R@10 on ml-100k's events from 40 % to 70 %, one pass from initial weights: 64 .2185, 256 .2246, 1024 .2251.
    max_successors: int = field(
        default=256,
        metadata={"help": "successors and predecessors counted per item, 8 bytes each; a multiple of 16 (experts)"},
    )
    # Of batches of 128, a quarter, half and all train the gate alike (.2246, .2242, .2230; log-loss 5.434 to 5.427).
    sampled_events: int = field(
        default=32,
        metadata={
            "help": "events of a micro-batch, at most a quarter of it, that are scored before they are counted: for "
            "the quality records (interest-quality) and to train the experts' gate"
        },
    )
    horizons: bool = field(
        default=False,
        metadata={
            "help": "look further than the next event: probability of return, and interest, within 1, 7 and 30 days; "
            "the same in workers and trainer"
        },
    )
    seed: int = field(default=0, metadata={"help": "seed of the initial weights; must be the same in every worker"})
    device: str = field(default="auto", metadata={"help": "'auto' (cuda where available), 'cpu', 'cuda' or 'cuda:N'"})
    threads: int = field(
        default=1,
        metadata={"help": "CPU threads per computation; prediction and training compute at the same time"},
    )
    dtype: Literal["float32", "bfloat16"] = field(
        default="float32",
        metadata={"help": "number type of the computation; bfloat16 needs a CPU with AVX-512 or AMX, or CUDA"},
    )

    @property
    def number_names(self) -> tuple[str, ...]:
        """The names in `numbers`."""
        return _names(self.numbers)

    @property
    def user_number_names(self) -> tuple[str, ...]:
        """The names in `user_numbers`."""
        return _names(self.user_numbers)

    @property
    def profile_width(self) -> int:
        """Numbers that are stored of each user: the vector, then the named ones."""
        return self.user_features + len(self.user_number_names)

    def __post_init__(self) -> None:
        for name in ("embedding_dim", "hidden_size", "num_layers", "history_length", "seen_bits", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"model.{name} must be at least 1")
        if not re.fullmatch(r"none|hashed|(static|sentence):\S.*", self.text):
            raise ValueError(
                f"model.text must be 'hashed', 'none', 'static:NAME' or 'sentence:NAME', not {self.text!r}"
            )
        for name in ("features", "user_features"):
            if getattr(self, name) < 0:
                raise ValueError(f"model.{name} must not be negative")
        if self.fusion != "linear" and self.embedding_dim != self.hidden_size:
            raise ValueError(f"model.fusion = {self.fusion} needs model.embedding_dim = model.hidden_size")
        if not self.item_embeddings and self.text == "none" and not self.features and not self.number_names:
            raise ValueError(
                "model.item_embeddings = false needs model.text, model.features or model.numbers to distinguish items"
            )
        if not 0 <= self.seed < 2**31:
            raise ValueError("model.seed must be from 0 to 2147483647")
        if self.max_successors < 16 or self.max_successors % 16:
            raise ValueError("model.max_successors must be a multiple of 16")
        if self.sampled_events < 0:
            raise ValueError("model.sampled_events must not be negative")
        if self.seen_bits % 8:
            raise ValueError("model.seen_bits must be a multiple of 8")


def _names(listed: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in listed.split(",") if (name := part.strip())))


@dataclass(frozen=True, kw_only=True)
class LearnerConfig:
    """Online training of the weights in a worker.

    The defaults were chosen by recall@10 over the events from 40 % to 70 % of ml-100k, one pass from initial weights:
    .203.
    """

    # Without dropout .184, with .2 / .2 of it .195, .2 / .5 .196; .2 / .6 to .2 / .8 are alike. Without the larger
    # learning rate of the first steps (training/online.py) .193. At .2 / .5: 256 events per step .193, 64 .196 at twice
    # the cost; 4 or 16 replayed windows .197 and .198 at .8 and 1.6 times the cost.

    optimizer: Literal["adam", "adagrad"] = field(
        default="adam", metadata={"help": "'adam', or 'adagrad', which needs a learning rate ten times as large"}
    )
    lr: float = field(
        default=1e-3,
        metadata={
            "help": "learning rate; from initial weights, 12 times as much at the first step and twice at the 1000th"
        },
    )
    input_dropout: float = field(default=0.2, metadata={"help": "dropout of each event's embedding in training"})
    dropout: float = field(default=0.6, metadata={"help": "dropout of state and attention in training"})
    max_grad_norm: float = field(default=5.0, metadata={"help": "largest norm of a step's gradient (clipping)"})
    events_per_step: int = field(default=128, metadata={"help": "new events in one optimizer step, at most"})
    min_window_s: float = field(
        default=30.0,
        metadata={
            "help": "seconds that 25 events of a user take at least: faster ones have less influence on what is "
            "learnt and counted, and none where they take half of it; 0: as much as others"
        },
    )
    max_repeats: int = field(
        default=2,
        metadata={
            "help": "times that one item may be among a user's last 25 events; n times have (max_repeats / n)³ of the "
            "influence on counts each, and where repeats are filtered on what is learnt; 0: as much as others"
        },
    )
    replay_windows: int = field(default=8, metadata={"help": "windows from the replay buffer in each optimizer step"})
    reservoir_windows: int = field(default=4096, metadata={"help": "size of the replay buffer, in windows"})
    queue_events: int = field(
        default=16384, metadata={"help": "events that may wait for training; beyond, the oldest are dropped"}
    )
    full_softmax_items: int = field(
        default=20_000,
        metadata={"help": "items up to which the loss covers all of them; beyond, a sample (sampled softmax)"},
    )
    sampled_items: int = field(default=4096, metadata={"help": "items in that sample"})
    panel_users: int = field(
        default=8192, metadata={"help": "users, a random sample of all, from whom model.horizons is learnt"}
    )
    # Log-loss of return on cdnow by `python -m bench horizons --choose`: 256 of 8 192 .2268, 1024 of 32 768 .2264.
    panel_queries: int = field(
        default=256,
        metadata={"help": "of them, users about whom a prediction is made every 6 hours, to be learnt from in time"},
    )

    def __post_init__(self) -> None:
        for name in (
            "events_per_step",
            "reservoir_windows",
            "queue_events",
            "sampled_items",
            "panel_users",
            "panel_queries",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"learning.{name} must be at least 1")
        for name in ("replay_windows", "min_window_s", "max_repeats"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"learning.{name} must not be negative")
        for name in ("lr", "max_grad_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"learning.{name} must be positive")
        for name in ("input_dropout", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"learning.{name} must be from 0 to below 1")
