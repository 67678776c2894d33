"""Text vectors of pretrained models (Sentence Transformers, the extra `text`): of their tokens alone, or of all layers.

    static    t = Σ w(i) E[i] over the text's tokens i,  w(i) = a / (a + p(i))        (Arora, Liang & Ma, 2017)
    sentence  t = the model's embedding of the text

E are the model's token embeddings, p(i) the frequency of a token, by Zipf's law from its rank in the vocabulary, which
lists common tokens first after its alphabet. `static` is one table lookup per token: no layer is computed.
"""

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.errors import TextEncoderError
from models.text.ngrams import MAX_CHARACTERS, is_readable, letters_only

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer

_FORMAT = 1  # raised with every change of the vectors

# Of the ten nearest of an amazon-music review (first 70 %) .070 are of its item; .062 with 3e-4, .054 with 1e-3, .037
# if all tokens weigh alike, .052 if the alphabet counts as tokens do.
_COMMON: Final = 1e-4
_CHUNK_TOKENS = 1 << 16  # looked up at once
_CUDA_BATCH_TEXTS = 32
_RESERVED = re.compile(r"\[.+\]|<.+>")


class StaticEncoder:
    """Weighted mean of token embeddings, scaled to unit length: it ignores the order of words; a lookup per token."""

    def __init__(self, model: "SentenceTransformer") -> None:
        from tokenizers import Tokenizer

        tokenizer = model.tokenizer
        self._tokenizer = Tokenizer.from_str(getattr(tokenizer, "backend_tokenizer", tokenizer).to_str())
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        table = _token_embeddings(model)  # [V, W]
        weight = torch.from_numpy(_token_weights(self._tokenizer, len(table)))
        self._table = table * weight.unsqueeze(1)
        self.width = table.shape[1]
        self.name = f"static-{self.width}-{_digest([self._table], self._tokenizer)}-{_FORMAT}"

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width] vectors of unit length; zero for unreadable texts and unknown tokens."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for begin, chunk in self._chunks(texts):
            size = torch.tensor([len(tokens) for tokens in chunk])
            token = torch.tensor([token_id for tokens in chunk for token_id in tokens], dtype=torch.int64)
            total = torch.nn.functional.embedding_bag(token, self._table, size.cumsum(0) - size, mode="sum")  # [c, W]
            vectors[begin : begin + len(chunk)] = total.numpy()
        return _unit(vectors)

    def _chunks(self, texts: Sequence[str]) -> Iterator[tuple[int, list[list[int]]]]:
        """Tokens of the texts in chunks that are looked up at once, each with the index of its first text."""
        begin, size = 0, 0
        chunk: list[list[int]] = []
        for index, text in enumerate(texts):
            # One by one: the tokenizer's own batches take all cores.
            chunk.append(self._tokenizer.encode(_start(text), add_special_tokens=False).ids)
            size += len(chunk[-1])
            if size >= _CHUNK_TOKENS:
                yield begin, chunk
                begin, size, chunk = index + 1, 0, []
        if chunk:
            yield begin, chunk


class SentenceEncoder:
    """A sentence model with all its layers: it reads the order of words, at some hundred times the cost of `static`."""

    def __init__(self, model: "SentenceTransformer") -> None:
        self._model = model
        self._lock = threading.Lock()  # its tokenizer must not be used by two threads at once
        # On a CPU batches are hardly faster, and one by one a vector does not depend on the other texts.
        self._batch_texts = _CUDA_BATCH_TEXTS if model.device.type == "cuda" else 1
        self.width = len(self._encode(["a"])[0])
        self.name = f"sentence-{self.width}-{_digest(model.state_dict().values(), model.tokenizer)}-{_FORMAT}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width] vectors of unit length; zero for unreadable texts. The model may truncate a text."""
        index = [number for number, text in enumerate(texts) if is_readable(text)]
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        if index:
            vectors[index] = self._encode([_start(texts[number]) for number in index])
        return _unit(vectors)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        with self._lock:
            vectors: NDArray[np.float32] = self._model.encode(
                texts, batch_size=self._batch_texts, show_progress_bar=False, convert_to_numpy=True
            )
        return vectors


@cache
def load(kind: str, name: str, device: str) -> StaticEncoder | SentenceEncoder:
    """The encoder `static` or `sentence` of the model in this folder, this installed package, or of this name."""
    if kind == "static":
        return StaticEncoder(_model(name, "cpu"))
    return SentenceEncoder(_model(name, device))


def _model(name: str, device: str) -> "SentenceTransformer":
    # Where the tokenizer does work in batches, it would take all cores of the machine.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise TextEncoderError(
            f"the text encoder {name!r} needs the extra `text` ({error}): in the project's folder, pip install "
            "--require-hashes -r requirements-text.txt; or set model.text to 'hashed', which needs nothing"
        ) from error
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers has no types for it
    source = _source(name)
    try:
        try:
            return SentenceTransformer(source, device=device, local_files_only=True)
        except OSError:
            if Path(source).is_dir():
                raise
            return SentenceTransformer(source, device=device)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise TextEncoderError(
            f"the text encoder {name!r} could not be loaded: it must be a folder with a model of Sentence "
            "Transformers, an installed package that holds one, or the name of one that was downloaded before or can "
            f"be now ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error


def _source(name: str) -> str:
    """The folder of the installed package of that name where it holds a model; otherwise the name itself."""
    if Path(name).is_dir() or not re.fullmatch(r"[A-Za-z_][\w-]*", name):
        return name
    spec = find_spec(name.replace("-", "_"))
    for folder in (spec and spec.submodule_search_locations) or ():
        for file in sorted(Path(folder).rglob("modules.json")):
            return str(file.parent)
    return name


def _token_embeddings(model: "SentenceTransformer") -> Tensor:
    first: Any = model[0]
    inner = getattr(first, "auto_model", None)
    table = first.embedding.weight if inner is None else inner.get_input_embeddings().weight
    embeddings: Tensor = table.detach().to("cpu", torch.float32, copy=True)
    return embeddings


def _token_weights(tokenizer: "Tokenizer", size: int) -> NDArray[np.float32]:
    """[V] weight of each token; 0 for control tokens and punctuation."""
    words = [tokenizer.decode([token], skip_special_tokens=True).strip().removeprefix("##") for token in range(size)]
    weighted = np.array([is_readable(word) and not _RESERVED.fullmatch(word) for word in words])
    alphabet = np.array([len(word) == 1 for word in words])
    rank = np.cumsum(weighted & ~alphabet).clip(min=1).astype(np.float64)
    # The alphabet is listed by code point, not by frequency: a letter counts like the most frequent word, an ideograph,
    # which is a word, like the middle one.
    last = rank[-1]
    letter = np.array([letters_only(word) for word in words])
    rank[alphabet] = np.where(letter, 1.0, max(last / 2, 1.0))[alphabet]
    p = 1 / (rank * (np.log(last) + np.euler_gamma))
    return np.where(weighted, _COMMON / (_COMMON + p), 0.0).astype(np.float32)


def _digest(tensors: Any, tokenizer: Any) -> str:
    """Eight hexadecimal digits of the SHA-256 of weights and tokenizer."""
    digest = hashlib.sha256(getattr(tokenizer, "backend_tokenizer", tokenizer).to_str().encode())
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()[:8]


def _start(text: str) -> str:
    """The characters that are encoded, with unpaired surrogates replaced: tokenizers refuse them."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode()


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norm = np.sqrt((vectors.astype(np.float64) ** 2).sum(1, keepdims=True))
    unit: NDArray[np.float32] = (vectors / np.where(norm > 0, norm, 1)).astype(np.float32)
    return unit
