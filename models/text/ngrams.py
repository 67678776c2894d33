"""Hashed n-grams: vectors of any text in any language, from nothing but its characters.

A word (Unicode, folded) says itself and its parts of 3 to 5 characters; a sign (Chinese, Japanese and Korean
characters, emoji) says itself, its pairs and triples with its neighbours. Each is added with a hashed sign to a hashed
place (Weinberger et al., 2009). A batch of texts is one array of code points: nothing is done per n-gram in Python.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 512
LONGEST: Final = 4096
"""Characters read of a text: beyond, they hardly turn its vector, and one text must not hold up a step"""

_Hashes = NDArray[np.uint64]
_Indices = NDArray[np.int64]
_Sums = NDArray[np.float64]

_FORMAT = 1  # another one for every change of what `encode` gives
_CHUNK = 1 << 17  # characters encoded at once, so that the arrays of a chunk stay in the cache
_TEXTS = 1024  # and texts, for the same reason

# Of the ten nearest of an amazon-music review (first 70 %) .058 are of its item; .044 if all words weigh alike, .042
# with a word's own weight 1, .045 with pairs of words as well, .029 without parts. Short words are the commonest ones
# in every language (Zipf's law of abbreviation), so that no list of them is needed.
_WORD = 0.5
_PARTS = {3: 0.2, 4: 0.25, 5: 0.3}
_SIGNS = {1: 0.3, 2: 1.0, 3: 0.7}
_FULL = 5  # letters from which on a word has its full weight

_UNKNOWN, _GAP, _IGNORED, _LETTER, _SIGN = range(5)  # what a character is; found out where it is first met
_SIGN_RANGES = (
    (0x1100, 0x11FF),  # Hangul
    (0x2E80, 0x9FFF),  # Han, Kana
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x3FFFF),
)

_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64
_OPENS = np.uint64(0xD1B54A32D192ED03)
_CLOSES = np.uint64(0x8CB92BA72F3D8DD7)
_PART = np.uint64(0x94D049BB133111EB)


class HashedNgrams:
    """Vectors whose cosine says how many words, parts of words and signs two texts share.

    Exactly the same in every process and on every machine, but for characters that one Python's Unicode lacks.
    """

    def __init__(self, width: int = WIDTH) -> None:
        self.width = width
        self.name = f"hashed-{width}-{_FORMAT}"
        self._class = np.zeros(0x110000, dtype=np.uint8)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """[n, width] vectors of unit length; zero where a text has neither letters nor digits nor symbols."""
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for begin, folded in _chunks(texts):
            vectors[begin : begin + len(folded)] = self._encode(folded)
        return vectors

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        code = np.frombuffer(("\n" + "\n\n".join(texts) + "\n").encode("utf-32-le", "surrogatepass"), dtype="<u4")
        text = np.repeat(np.arange(len(texts)), [len(each) + 2 for each in texts])
        kind = self._classes(code)
        kept = kind != _IGNORED
        if not kept.all():
            code, text, kind = code[kept], text[kept], kind[kept]
        stretches = _Stretches(code)
        total: _Sums = np.zeros((len(texts), self.width))
        total += self._words(stretches, text, *_spans(kind == _LETTER), len(texts))
        total += self._signs(stretches, text, *_spans(kind == _SIGN), len(texts))
        says = np.zeros(len(texts), dtype=np.bool_)
        says[text[kind >= _LETTER]] = True
        total[says & ~total.any(1), 0] = 1  # what cancels itself is not nothing
        norm = np.sqrt((total * total).sum(1, keepdims=True))
        unit: _Sums = np.divide(total, norm, out=total, where=norm > 0)
        return unit.astype(np.float32)

    def _words(self, stretches: "_Stretches", text: _Indices, start: _Indices, end: _Indices, rows: int) -> _Sums:
        """[rows, width] sums over the words and their parts, each word as often as the root of its number."""
        words, first, inverse = np.unique(stretches.hashes(start, end), return_index=True, return_inverse=True)
        row, word, weight = _counted(text[start], inverse, len(words))
        hashes, sizes, weights = _features(stretches, start[first], end[first], words)
        at = _ranges(np.cumsum(sizes) - sizes, sizes, word)
        return self._sum(np.repeat(row, sizes[word]), hashes[at], weights[at] * np.repeat(weight, sizes[word]), rows)

    def _signs(self, stretches: "_Stretches", text: _Indices, start: _Indices, end: _Indices, rows: int) -> _Sums:
        """[rows, width] sums over the signs and what they are with their neighbours."""
        total: _Sums = np.zeros((rows, self.width))
        if not len(start):
            return total
        sign = _ranges(start, end - start, np.arange(len(start)))
        last = np.repeat(end, end - start)
        for size, weight in _SIGNS.items():
            begin = sign[sign + size <= last]
            grams, inverse = np.unique(stretches.hashes(begin, begin + size), return_inverse=True)
            row, gram, number = _counted(text[begin], inverse, len(grams))
            total += self._sum(row, grams[gram], weight * number, rows)
        return total

    def _sum(self, row: _Indices, hashes: _Hashes, weight: NDArray[np.float64], rows: int) -> _Sums:
        place = ((hashes >> np.uint64(32)) * np.uint64(self.width) >> np.uint64(32)).astype(np.int64)
        signed = np.where(hashes & np.uint64(1), weight, -weight)
        total: _Sums = np.bincount(row * self.width + place, signed, rows * self.width).astype(np.float64, copy=False)
        return total.reshape(rows, self.width)

    def _classes(self, code: NDArray[np.uint32]) -> NDArray[np.uint8]:
        kind = self._class[code]
        new = np.unique(code[kind == _UNKNOWN])
        if len(new):
            self._class[new] = [_class(chr(each)) for each in new.tolist()]
            kind = self._class[code]
        return kind


def says(text: str) -> bool:
    """Whether the text has a letter, a digit or a symbol."""
    return any(_class(character) >= _LETTER for character in text)


def letters_only(text: str) -> bool:
    """Whether the text is of letters and digits alone: of what spells words, not of signs that are words."""
    return all(_class(character) == _LETTER for character in text)


class _Stretches:
    """Hash of any stretch of the characters: a polynomial modulo 2**64, its sums taken once for all stretches."""

    def __init__(self, code: NDArray[np.uint32]) -> None:
        self._back = _powers(pow(_BASE, -1, 1 << 64), len(code) + 1)
        self._sums = np.zeros(len(code) + 1, dtype=np.uint64)
        np.cumsum(code * _powers(_BASE, len(code)), out=self._sums[1:])

    def raw(self, start: _Indices, end: _Indices) -> _Hashes:
        """The polynomials themselves."""
        return (self._sums[end] - self._sums[start]) * self._back[start]

    def hashes(self, start: _Indices, end: _Indices) -> _Hashes:
        """Each bit of a result depends on all characters from `start` to before `end`."""
        return _mixed(self.raw(start, end))


def _features(
    stretches: _Stretches, start: _Indices, end: _Indices, words: _Hashes
) -> tuple[_Hashes, _Indices, NDArray[np.float64]]:
    """Hashes of each word and its parts, one word after the other; how many each has; their weights."""
    letters = end - start
    number = np.maximum(letters[:, None] + 3 - np.array(list(_PARTS)), 0)  # [W, 3] of the word and its two ends
    number[number == 1] = 0  # that is the word once more
    number = np.concatenate([np.ones_like(letters)[:, None], number], axis=1)  # [W, 4]
    flat = number.ravel()
    word, which = np.divmod(np.repeat(np.arange(len(flat)), flat), 1 + len(_PARTS))
    begin = start[word] - 1 + _ranges(np.zeros_like(flat), flat, np.arange(len(flat)))
    stop = begin + np.array([0, *_PARTS])[which]
    raw = stretches.raw(np.maximum(begin, start[word]), np.minimum(stop, end[word]))
    hashes = _mixed(raw + (begin < start[word]) * _OPENS + (stop > end[word]) * _CLOSES + _PART)
    hashes[which == 0] = words
    weights = np.array([_WORD, *_PARTS.values()])[which] * np.minimum(letters[word] / _FULL, 1.0)
    return hashes, number.sum(1), weights


def _counted(text: _Indices, which: _Indices, kinds: int) -> tuple[_Indices, _Indices, NDArray[np.float64]]:
    """Text, kind and root of the number of each kind in a text: by text, then in the order of `which`.

    That order is one of hashes, so that the sums of a text do not depend on the texts beside it.
    """
    entry, times = np.unique(text * kinds + which, return_counts=True)
    row, kind = np.divmod(entry, max(kinds, 1))
    return row, kind, np.sqrt(times)


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Texts folded, in portions that are encoded at once, each with the index of its first."""
    begin, size = 0, 0
    chunk: list[str] = []
    for index, text in enumerate(texts):
        chunk.append(_folded(text))
        size += len(chunk[-1])
        if size >= _CHUNK or len(chunk) == _TEXTS:
            yield begin, chunk
            begin, size, chunk = index + 1, 0, []
    if chunk:
        yield begin, chunk


def _folded(text: str) -> str:
    text = text[:LONGEST]
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _class(character: str) -> int:
    category = unicodedata.category(character)
    if category == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F:  # they only say how to draw or break
        return _IGNORED
    if category == "So":
        return _SIGN
    if category[0] not in "LMN":
        return _GAP
    return _SIGN if any(low <= ord(character) <= high for low, high in _SIGN_RANGES) else _LETTER


def _spans(inside: NDArray[np.bool_]) -> tuple[_Indices, _Indices]:
    """Start and end of each stretch of True; the first and the last are False."""
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    return edges[::2], edges[1::2]


def _ranges(start: _Indices, size: _Indices, which: _Indices) -> _Indices:
    """start[w] … start[w] + size[w] - 1 for each w of `which`, one after the other."""
    sizes = size[which]
    offset: _Indices = start[which] - (np.cumsum(sizes) - sizes)
    return np.arange(int(sizes.sum())) + np.repeat(offset, sizes)


def _powers(number: int, count: int) -> _Hashes:
    factors = np.full(count, number, dtype=np.uint64)
    factors[:1] = 1
    return np.multiply.accumulate(factors)


def _mixed(hashes: _Hashes) -> _Hashes:
    """The finalizer of SplitMix64 (Steele et al., 2014)."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
