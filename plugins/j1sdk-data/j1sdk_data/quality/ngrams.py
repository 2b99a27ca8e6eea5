"""n-grams as 64-bit hashes, in numpy: what duplicates and overlap are found by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from j1sdk.errors import MissingExtraError

if TYPE_CHECKING:
    import numpy as np

    Hashes = np.ndarray[Any, np.dtype[np.uint64]]

_WORD = re.compile(r"\w+")
_STEP = 0x9E3779B97F4A7C15  # odd, so that no factor of a hash is lost; 2**64 over the golden ratio


def numpy() -> Any:
    """The module; raises MissingExtraError."""
    try:
        import numpy
    except ImportError as error:
        raise MissingExtraError("numpy", "eval") from error
    return numpy


def words(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.casefold())


def normal(text: str) -> str:
    """The text without what case and spacing add to it."""
    return " ".join(text.casefold().split())


def character_grams(text: str, n: int) -> Hashes:
    """The distinct runs of `n` characters, sorted; of a shorter text, all of it."""
    np = numpy()
    text = text or " "
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.unique(hashed(codes, n))  # type: ignore[no-any-return]


class Vocabulary:
    """Numbers for words, the same number for the same word."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def grams(self, text: str, n: int, whole: bool) -> Hashes:
        """The runs of `n` words, in order; of a shorter text, all of it if `whole`, or nothing."""
        np, numbers = numpy(), self._numbers
        codes = [numbers.setdefault(word, len(numbers)) for word in words(text)]
        if not codes or (len(codes) < n and not whole):
            return np.empty(0, dtype=np.uint64)  # type: ignore[no-any-return]
        return hashed(np.array(codes), n)


def hashed(codes: Any, n: int) -> Hashes:
    """A hash of each run of `n` of the codes, in order; of all of them, where they are fewer."""
    np = numpy()
    n = min(n, len(codes))
    powers = np.cumprod(np.full(n, _STEP, dtype=np.uint64))
    mixed = mix(codes.astype(np.uint64) + np.uint64(1))  # of 0, nothing would be left
    windows = np.lib.stride_tricks.sliding_window_view(mixed, n)
    return mix((windows * powers).sum(axis=-1, dtype=np.uint64))


def mix(values: Hashes) -> Hashes:
    """Spread 64-bit numbers evenly: the finalizer of SplitMix64 (Steele and others, 2014)."""
    np = numpy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))  # type: ignore[no-any-return]
