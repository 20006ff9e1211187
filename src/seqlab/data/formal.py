"""Formal languages along the Chomsky hierarchy: learn on short strings, answer long ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from scipy.special import bdtrc

from seqlab.data.base import Batch, GeneratedData, Split
from seqlab.errors import DataError
from seqlab.spec import IGNORE, DataSpec, Metric, Tokens


class StringTask(GeneratedData):
    """A string and the answer to it, in the form of Delétang et al. (2023).

    The net reads ℓ symbols, and then as many blanks as the answer has symbols; the answer is written at the blanks and
    never fed back. Training strings are short, those of the test longer than any of them. The published score is the
    mean over all test lengths, which have equally many strings here if ``test_size`` is ``eval_batch_size`` times
    their number. Chance, as published, is a random symbol.

    Args:
        length: ℓ in training and validation, as [shortest, longest].
        test_length: ℓ in the test, likewise.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: lengths that are not two numbers of at least 1, in order.
    """

    symbols: ClassVar[int]
    """How many symbols the strings are made of."""
    answers: ClassVar[int]
    """How many symbols the answers are made of."""

    def __init__(self, length: Sequence[int], test_length: Sequence[int], **sizes: int):
        super().__init__(**sizes)
        self.short, self.long = _span("data.length", length), _span("data.test_length", test_length)

    @abstractmethod
    def answer(self, strings: np.ndarray) -> np.ndarray:
        """The answers (B, n) to strings (B, ℓ)."""

    def describe(self) -> DataSpec:
        """Symbols and a blank in; the answer's symbols out, at the blanks."""
        return DataSpec(
            inputs=Tokens(self.symbols + 1, (*map(str, range(self.symbols)), "_")),
            targets=Tokens(self.answers),
            loss_at="masked",
            metric=Metric("accuracy", "max", "share of symbols"),
            references={"chance": 1 / self.answers, "best": 1.0},
            by_length=True,
        )

    def lengths(self, split: Split) -> tuple[int, int]:
        """Long strings in the test only."""
        return self.long if split == "test" else self.short

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs and targets (size, ℓ + n)."""
        strings = rng.integers(0, self.symbols, (size, length))
        answers = self.answer(strings)
        x = np.concatenate([strings, np.full_like(answers, self.symbols)], axis=1)
        y = np.concatenate([np.full_like(strings, IGNORE), answers], axis=1)
        return torch.from_numpy(x), torch.from_numpy(y)


def _span(key: str, lengths: Sequence[int]) -> tuple[int, int]:
    match lengths:
        case [int(shortest), int(longest)] if 1 <= shortest <= longest:
            return shortest, longest
    raise DataError(f"{key}={lengths}: expected [shortest, longest], at least 1 and in order.")


class Parity(StringTask):
    """Whether the number of ones is odd: 1010100 → 1, 01111 → 0. A regular language."""

    symbols, answers = 2, 2

    def answer(self, strings: np.ndarray) -> np.ndarray:
        """The sum modulo 2."""
        return strings.sum(1, keepdims=True) % 2


class EvenPairs(StringTask):
    """Whether the number of changes, 01 or 10, is odd: 001110 → 0, 0101001 → 1. A regular language.

    Which is whether the first and the last symbol differ.
    """

    symbols, answers = 2, 2

    def answer(self, strings: np.ndarray) -> np.ndarray:
        """The number of changes modulo 2."""
        return (strings[:, 1:] != strings[:, :-1]).sum(1, keepdims=True) % 2


class CycleNavigation(StringTask):
    """Where a walk on a circle of five places ends that starts at 0: 2 0 1 0 0 → 3. A regular language.

    Symbol 0 is a step back, 1 none, 2 a step ahead.
    """

    symbols, answers = 3, 5

    def answer(self, strings: np.ndarray) -> np.ndarray:
        """The sum of steps modulo 5."""
        return (strings - 1).sum(1, keepdims=True) % 5


class ReverseString(StringTask):
    """The string from its end: 011010 → 010110. A deterministic context-free language."""

    symbols, answers = 2, 2

    def answer(self, strings: np.ndarray) -> np.ndarray:
        """The symbols, last first."""
        return strings[:, ::-1].copy()


class BucketSort(StringTask):
    """The symbols in ascending order: 10204112 → 00111224. Context-sensitive; five counters are enough.

    A random symbol is right at one place in five, but a long string's answer is nearly known before it is read: its
    first fifth are zeros, and so on. The reference ``place alone`` says at each place the symbol that is likeliest
    there among all strings of the length.
    """

    symbols, answers = 5, 5

    def answer(self, strings: np.ndarray) -> np.ndarray:
        """The symbols, least first."""
        return np.sort(strings, axis=1)

    def describe(self) -> DataSpec:
        """With what can be known before a string is read."""
        shortest, longest = self.long
        by_place = np.mean([_by_place(length, self.symbols) for length in range(shortest, longest + 1)])
        references = {"chance": 1 / self.answers, "place alone": float(by_place), "best": 1.0}
        return replace(super().describe(), references=references)


def _by_place(length: int, symbols: int) -> float:
    """The share of a sorted random string that the likeliest symbol of each place gets right."""
    place, symbol = np.arange(length)[:, None], np.arange(symbols + 1)
    at_least = bdtrc(place, length, symbol / symbols)  # P(more than `place` symbols lie below `symbol`)
    return float(np.diff(at_least, axis=1).max(1).mean())
