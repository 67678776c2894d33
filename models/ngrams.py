"""Hashed n-grams: vectors of any text in any language, from nothing but its characters.

A word (Unicode, folded) says itself, its pairs with neighbours and its parts of 3 to 5 characters; a script without
spaces (Chinese, Japanese, Korean) says its characters, pairs and triples; each is added with a hashed sign to a hashed
place (Weinberger et al., 2009). A batch of texts is one array of code points: nothing is done per n-gram in Python.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 512
LONGEST: Final = 4096
"""Characters read of a text; the rest of a longer one hardly turns its vector, and one text must not hold up a step"""

_Hashes = NDArray[np.uint64]
_Indices = NDArray[np.int64]

_CHUNK = 1 << 17  # characters encoded at once, so that the arrays of a chunk stay in the cache
_TEXTS = 1024  # and texts, for the same reason
_PARTS = (3, 4, 5)
_DENSE = (1, 2, 3)
# Chosen by how often the ten nearest of a text share its genre (ml-100k) or item (the first 70 % of amazon-music).
_WORD, _PAIR = 1.0, 0.5
_PART = (0.2, 0.25, 0.3)
_SIGN = (0.3, 1.0, 0.7)

# What a character is to the hashing; the class of a code point is found when it is first met.
_UNKNOWN, _GAP, _IGNORED, _LETTER, _OWN = range(5)
_DENSE_RANGES = (
    (0x1100, 0x11FF),  # Hangul
    (0x2E80, 0x9FFF),  # Han, Kana
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)

_BASE = np.uint64(0x9E3779B97F4A7C15)
_BACK = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_OPENS = np.uint64(0xD1B54A32D192ED03)
_CLOSES = np.uint64(0x8CB92BA72F3D8DD7)
_SECOND = np.uint64(0xBF58476D1CE4E5B9)
_KIND = np.uint64(0x94D049BB133111EB)


class HashedNgrams:
    """Vectors whose cosine says how many words and parts of words two texts share.

    Exactly the same in every process and on every machine, but for characters that one Python's Unicode lacks.
    """

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self.name = f"hashed-{width}-1"
        self._class = np.zeros(0x110000, dtype=np.uint8)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width] vectors of unit length; zero where a text has neither letters nor digits nor symbols."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for begin, folded in _chunks(texts):
            vectors[begin : begin + len(folded)] = self._chunk(folded)
        return vectors

    def _chunk(self, texts: list[str]) -> NDArray[np.float32]:
        code = np.frombuffer("\n".join(["", *texts, ""]).encode("utf-32-le", "surrogatepass"), dtype="<u4")
        text = np.repeat(np.arange(len(texts)), [len(each) + 1 for each in texts])
        text = np.concatenate([text[:1], text]) if len(texts) else text
        kind = self._classes(code)
        kept = kind != _IGNORED
        if not kept.all():
            code, text, kind = code[kept], text[kept], kind[kept]
        runs = _Runs(code)
        start, end = _spans(kind == _LETTER)
        hashes, first, inverse = np.unique(runs.hash(start, end), return_index=True, return_inverse=True)
        # Words in the order of their hashes: the sum of a text must not depend on the texts beside it.
        of = text[start]
        entry, times = np.unique(of * len(hashes) + inverse, return_counts=True)
        row, word = np.divmod(entry, max(len(hashes), 1))
        features, sizes, weights = runs.parts(start[first], end[first], hashes)
        at = _ranges(np.cumsum(sizes) - sizes, sizes, word)
        several = np.repeat(np.sqrt(times), sizes[word])
        total = self._sum(np.repeat(row, sizes[word]), features[at], weights[at] * several, len(texts))
        follows = of[1:] == of[:-1]
        pairs = _mixed(hashes[inverse[:-1]] * _SECOND + hashes[inverse[1:]])[follows]
        total += self._counted(of[1:][follows], pairs, _PAIR, len(texts))
        start, end = _spans(kind == _OWN)
        if len(start):
            own = np.flatnonzero(kind == _OWN)
            last = np.repeat(end, end - start)
            for size, weight in zip(_DENSE, _SIGN, strict=True):
                fits = own + size <= last
                grams = runs.hash(own[fits], own[fits] + size) ^ _KIND
                total += self._counted(text[own[fits]], grams, weight, len(texts))
        norm = np.sqrt((total * total).sum(1, keepdims=True))
        unit: NDArray[np.float64] = np.divide(total, norm, out=total, where=norm > 0)
        return unit.astype(np.float32)

    def _counted(self, row: _Indices, hashes: _Hashes, weight: float, rows: int) -> NDArray[np.float64]:
        """[rows, width] sums where each feature of a text counts as the root of its number."""
        known, inverse = np.unique(hashes, return_inverse=True)
        entry, times = np.unique(row * len(known) + inverse, return_counts=True)
        row, column = np.divmod(entry, max(len(known), 1))
        return self._sum(row, known[column], weight * np.sqrt(times), rows)

    def _sum(self, row: _Indices, hashes: _Hashes, weight: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
        place = ((hashes >> np.uint64(32)) * np.uint64(self.width) >> np.uint64(32)).astype(np.int64)
        signed = np.where(hashes & np.uint64(1), weight, -weight)
        sums: NDArray[np.float64] = np.bincount(row * self.width + place, signed, rows * self.width)
        return sums.astype(np.float64, copy=False).reshape(rows, self.width)  # of no n-grams numpy makes integers

    def _classes(self, code: NDArray[np.uint32]) -> NDArray[np.uint8]:
        kind = self._class[code]
        new = np.unique(code[kind == _UNKNOWN])
        if len(new):
            self._class[new] = [_class(chr(each)) for each in new.tolist()]
            kind = self._class[code]
        return kind


class _Runs:
    """Hash of any stretch of the characters: a polynomial modulo 2**64, its sums taken once for all stretches."""

    def __init__(self, code: NDArray[np.uint32]) -> None:
        powers = np.full(len(code) + 1, _BASE)
        back = np.full(len(code) + 1, _BACK)
        powers[0] = back[0] = 1
        self._back = np.multiply.accumulate(back)
        self._sums = np.zeros(len(code) + 1, dtype=np.uint64)
        np.cumsum(code * np.multiply.accumulate(powers)[:-1], out=self._sums[1:])

    def raw(self, start: _Indices, end: _Indices) -> _Hashes:
        return (self._sums[end] - self._sums[start]) * self._back[start]

    def hash(self, start: _Indices, end: _Indices) -> _Hashes:
        return _mixed(self.raw(start, end))

    def parts(self, start: _Indices, end: _Indices, whole: _Hashes) -> tuple[_Hashes, _Indices, NDArray[np.float64]]:
        """Features of each word, one after the other; how many each has; their weights."""
        length = end - start
        size = np.array(_PARTS)
        number = np.maximum(length[:, None] + 3 - size, 0)  # [U, S] of the word and its two ends
        number[number == 1] = 0  # the whole word once more
        number = np.concatenate([np.ones_like(length)[:, None], number], axis=1)
        flat = number.ravel()
        word, which = np.divmod(np.repeat(np.arange(len(flat)), flat), 1 + len(_PARTS))
        begin = start[word] - 1 + np.arange(len(word)) - np.repeat(np.cumsum(flat) - flat, flat)
        stop = begin + np.array([0, *_PARTS])[which]
        opens, closes = begin < start[word], stop > end[word]
        raw = self.raw(np.maximum(begin, start[word]), np.minimum(stop, end[word]))
        hashes = _mixed(raw + opens * _OPENS + closes * _CLOSES + _KIND)
        weights = np.array([_WORD, *_PART])[which]
        is_word = which == 0
        hashes[is_word] = whole
        return hashes, number.sum(1), weights


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Texts folded, in stretches that are encoded at once, each with the index of its first."""
    begin, chunk, size = 0, list[str](), 0
    for index, text in enumerate(texts):
        chunk.append(_folded(text))
        size += len(chunk[-1])
        if size >= _CHUNK or len(chunk) == _TEXTS:
            yield begin, chunk
            begin, chunk, size = index + 1, [], 0
    if chunk:
        yield begin, chunk


def _folded(text: str) -> str:
    text = text[:LONGEST]
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _class(character: str) -> int:
    category = unicodedata.category(character)
    if category == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F:
        return _IGNORED
    if category == "So":
        return _OWN
    if category[0] not in "LMN":
        return _GAP
    dense = any(low <= ord(character) <= high for low, high in _DENSE_RANGES)
    return _OWN if dense else _LETTER


def _spans(inside: NDArray[np.bool_]) -> tuple[_Indices, _Indices]:
    """Start and end of each stretch; the first and the last character are in none."""
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return edges[::2], edges[1::2]


def _ranges(start: _Indices, size: _Indices, which: _Indices) -> _Indices:
    """start[w] … start[w] + size[w] - 1 for each w of `which`, one after the other."""
    sizes = size[which]
    first: _Indices = start[which] - (np.cumsum(sizes) - sizes)
    return np.arange(int(sizes.sum())) + np.repeat(first, sizes)


def _mixed(hashes: _Hashes) -> _Hashes:
    """Every bit of the result depends on every bit given (SplitMix64's finalizer, Steele et al., 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
