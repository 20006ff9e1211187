"""Toy translation with an exact answer: numbers in words and in digits, and dates in many forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import torch

from seqlab.data.base import SPLITS, ArrayData, Batch, Split, fingerprint, one_of
from seqlab.errors import DataError
from seqlab.spec import IGNORE, DataSpec, Metric, Tokens

Pair = tuple[list[str], list[str]]
"""The symbols of a source and of its translation."""

ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
LIMIT = 1_000_000
"""Numbers lie below this."""

FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2099, 12, 31)


def in_words(n: int) -> list[str]:
    """A number below a million in British English.

    >>> " ".join(in_words(241_007))
    'two hundred and forty one thousand and seven'
    """
    if n < 20:
        return [ONES[n]]
    if n < 100:
        return [TENS[n // 10]] + ([ONES[n % 10]] if n % 10 else [])
    if n < 1000:
        below = ["and", *in_words(n % 100)] if n % 100 else []
        return [ONES[n // 100], "hundred", *below]
    rest = n % 1000
    return [*in_words(n // 1000), "thousand", *(["and"] * (0 < rest < 100)), *(in_words(rest) if rest else [])]


def _ordinal(n: int) -> str:
    suffix = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{suffix}"


DATE_FORMS: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.day} {d:%B} {d.year}",
    lambda d: f"{d.day} {d:%b} {d.year}",
    lambda d: f"{d:%B} {d.day}, {d.year}",
    lambda d: f"{d:%A}, {d.day} {d:%B} {d.year}",
    lambda d: f"the {_ordinal(d.day)} of {d:%B} {d.year}",
    lambda d: f"{d:%b} {_ordinal(d.day)}, {d.year}",
    lambda d: f"{d:%d.%m}.{d.year}",  # European: the day first, with dots
    lambda d: f"{d:%m/%d}/{d.year}",  # American: the month first, with slashes
    lambda d: f"{d.year}{d:%m%d}",
)
"""Ways to write a day. No two days are written alike, so each form has one answer."""


def _words_to_digits(n: int, _: np.random.Generator) -> Pair:
    return in_words(n), list(str(n))


def _digits_to_words(n: int, _: np.random.Generator) -> Pair:
    return list(str(n)), in_words(n)


def _dates(n: int, rng: np.random.Generator) -> Pair:
    day = FIRST_DAY + timedelta(days=n)
    form = DATE_FORMS[rng.integers(len(DATE_FORMS))]
    return list(form(day).lower()), list(day.isoformat())


PAIRS: dict[str, tuple[int, Callable[[int, np.random.Generator], Pair], str, str]] = {
    "words_to_digits": (LIMIT, _words_to_digits, " ", ""),
    "digits_to_words": (LIMIT, _digits_to_words, "", " "),
    "dates": ((LAST_DAY - FIRST_DAY).days + 1, _dates, "", ""),
}
"""By name: how many different things there are, how one is written twice, and what separates each side's symbols."""


class Translation(ArrayData):
    """Pairs of sequences; what is translated in validation and test does not occur in training.

    ``words_to_digits`` reads words and writes digits, ``digits_to_words`` the other way round, and ``dates`` reads the
    characters of a date in one of nine forms and writes its ISO 8601 form::

        two hundred and forty one  →  241
        the 3rd of may 2009        →  2009-05-03

    Sources are padded on the left, so the encoder's last state has read the last symbol; targets end with ``<end>``.

    Args:
        batch_size: B.
        pairs: which of the three.
        train_size: pairs to learn from.
        val_size: pairs for model selection.
        test_size: pairs that are read once, at the end.
        seed: of the order of training batches; all seeds share the same pairs.

    Raises:
        DataError: an unknown kind of pair, or more pairs than there are.
    """

    def __init__(self, pairs: str, train_size: int, val_size: int, test_size: int, **common: int):
        super().__init__(**common)
        self.pairs = one_of("data.pairs", pairs, PAIRS)
        self.sizes: dict[Split, int] = {"train": train_size, "val": val_size, "test": test_size}

    def arrays(self) -> dict[Split, Batch]:
        """Sources (n, S) and targets (n, T) as ids."""
        total, write, source_separator, target_separator = PAIRS[self.pairs]
        wanted = sum(self.sizes.values())
        if wanted > total:
            raise DataError(
                f"data.train_size + data.val_size + data.test_size = {wanted:,}: there are only {total:,} {self.pairs}."
            )
        rng = np.random.default_rng(7)
        drawn = [write(int(n), rng) for n in rng.choice(total, size=wanted, replace=False)]
        sources, targets = [source for source, _ in drawn], [[*target, "<end>"] for _, target in drawn]
        source_symbols = ["<pad>", *sorted({symbol for source in sources for symbol in source})]
        target_symbols = ["<end>", *sorted({s for target in targets for s in target} - {"<end>"})]
        x = _padded(sources, source_symbols, pad=0, left=True)
        y = _padded(targets, target_symbols, pad=IGNORE, left=False)
        self.fingerprint = fingerprint(x, y)
        self.spec = DataSpec(
            inputs=Tokens(len(source_symbols), tuple(source_symbols), source_separator),
            targets=Tokens(len(target_symbols), tuple(target_symbols), target_separator),
            loss_at="after",
            metric=Metric("exact_match", "max", "share of pairs"),
            references={"chance": 1 / total, "best": 1.0},
        )
        cuts = np.cumsum([self.sizes[split] for split in SPLITS])[:-1]
        parts = zip(SPLITS, np.split(x, cuts), np.split(y, cuts), strict=True)
        return {split: (torch.from_numpy(inputs), torch.from_numpy(outputs)) for split, inputs, outputs in parts}


def _padded(sequences: list[list[str]], symbols: list[str], pad: int, left: bool) -> np.ndarray:
    """Ids (n, longest) of symbol sequences."""
    ids = {symbol: i for i, symbol in enumerate(symbols)}
    padded = np.full((len(sequences), max(map(len, sequences))), pad, dtype=np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        place = slice(-len(sequence), None) if left else slice(len(sequence))
        row[place] = [ids[symbol] for symbol in sequence]
    return padded
