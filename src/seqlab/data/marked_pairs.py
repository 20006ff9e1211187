"""Adding and multiplication as they were first posed: two marked numbers among many, and their sum or product."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, at_least
from seqlab.errors import DataError
from seqlab.spec import Criterion, DataSpec, Metric, Reals, within

TOLERANCE = 0.04


class MarkedPairs(GeneratedData):
    """Experiments 4 and 5 of Hochreiter & Schmidhuber (1997): each step has a value and a mark.

    One of the first ten pairs is marked 1, and one of the first T/2 − 1 then left. Of the others the first pair
    and the last are marked −1, and the rest 0. Where the first pair is marked 1, its value is set to one that changes
    nothing. The target, at the last step, is made of the two values X₁ and X₂ that are marked 1. The length is any of
    T … T + T/10. A sequence is right where the error is below 0.04.

    Args:
        length: T; at least 20, so that the first ten pairs are in the first half.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: a length below 20.
    """

    spread = 10
    lowest: float
    """Values are drawn from U[lowest, 1]."""
    neutral: float
    """The value of a first pair that is marked 1."""

    def __init__(self, length: int, **sizes: int):
        super().__init__(**sizes)
        self.length = at_least("data.length", length, 20)

    @abstractmethod
    def combine(self, values: np.ndarray, marked: np.ndarray) -> np.ndarray:
        """The targets (n,) for values (n, T), of which some are marked."""

    @property
    @abstractmethod
    def criteria(self) -> tuple[Criterion, ...]:
        """When the task is solved."""

    @abstractmethod
    def luck(self, values: int) -> float:
        """The probability that the best constant is right where so many values are not neutral."""

    def describe(self) -> DataSpec:
        """Two reals in, one real out at the last step."""
        one = 1 / 10 + 9 / 10 / (self.length // 2 - 1)  # how often the first pair is marked 1
        return DataSpec(
            inputs=Reals(2),
            targets=Reals(1),
            loss_at="last",
            metric=Metric("wrong", "min", "share of sequences"),
            references={"chance": 1 - (1 - one) * self.luck(2) - one * self.luck(1), "best": 0.0},
            right=within(TOLERANCE),
            criteria=self.criteria,
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs (size, length, 2) and targets (size, 1)."""
        row = np.arange(size)
        values = rng.uniform(self.lowest, 1, (size, length))
        marks = np.zeros((size, length))
        first = rng.integers(0, 10, size)
        second = rng.integers(0, self.length // 2 - 1, size)
        second += second >= first  # a pair is marked once
        marks[:, 0] = marks[:, -1] = -1
        marks[row, first] = marks[row, second] = 1
        values[marks[:, 0] == 1, 0] = self.neutral
        x = np.stack([values, marks], axis=-1).astype(np.float32)
        target = self.combine(values, marks == 1).astype(np.float32)
        return torch.from_numpy(x), torch.from_numpy(target[:, None])


class Adding1997(MarkedPairs):
    """Experiment 4: values from U[−1, 1], the target 0.5 + (X₁ + X₂)/4.

    It is solved when 2000 sequences in a row were right, with a mean absolute error below 0.01::

        value  0.3  0.6  0.5 -0.2  0.7  0.2
        mark   -1   1    0    1    0   -1        target 0.5 + (0.6 − 0.2)/4 = 0.6
    """

    lowest, neutral = -1.0, 0.0

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """2000 in a row, and a small error."""
        return (Criterion("success", last=2000, wrong=0, error=0.01),)

    def combine(self, values: np.ndarray, marked: np.ndarray) -> np.ndarray:
        """Their sum, scaled to [0, 1]."""
        return 0.5 + (values * marked).sum(1) / 4

    def luck(self, values: int) -> float:
        """That of 0.5: the sum of two is distributed as a triangle over [−2, 2], one evenly over [−1, 1]."""
        bound = 4 * TOLERANCE
        return bound - bound**2 / 4 if values == 2 else bound


class Multiplication1997(MarkedPairs):
    """Experiment 5: values from U[0, 1], the target X₁ X₂.

    Args:
        length: T.
        n_seq: it is solved when fewer than so many of the last 2000 sequences were wrong; the paper reads its test set
            at 140 and again at 13. Training ends with the smallest.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: a length below 20, or no n_seq.
    """

    lowest, neutral = 0.0, 1.0

    def __init__(self, length: int, n_seq: Sequence[int], **sizes: int):
        super().__init__(length, **sizes)
        if not n_seq:
            raise DataError("data.n_seq=[]: expected at least one number of wrong sequences, such as [140, 13].")
        self.n_seq = n_seq

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """``below_140`` and ``below_13``."""
        return tuple(Criterion(f"below_{n}", last=2000, wrong=n - 1) for n in self.n_seq)

    def combine(self, values: np.ndarray, marked: np.ndarray) -> np.ndarray:
        """Their product."""
        return np.where(marked, values, 1).prod(1)

    def luck(self, values: int) -> float:
        """That of 0.04: small products are the likeliest, and P(X₁ X₂ < z) = z − z ln z."""
        bound = 2 * TOLERANCE
        return bound - bound * math.log(bound) if values == 2 else bound
