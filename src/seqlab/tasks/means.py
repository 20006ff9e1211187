"""Means over a whole split, whichever batch and process each position was in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from seqlab.processes import of_all

Key = TypeVar("Key", str, int)


@dataclass(frozen=True)
class Mean:
    """A mean, as what it is made of.

    Attributes:
        total: the sum over positions.
        n: how many positions.
    """

    total: float | Tensor = 0.0
    n: int = 0

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.n + other.n)

    @property
    def value(self) -> float:
        """The mean; NaN over no positions."""
        return float(self.total) / self.n if self.n else math.nan


class Means(dict[Key, Mean]):
    """Means that grow by batches, each under a name or a number. No device is waited for until they are asked for."""

    def __missing__(self, key: Key) -> Mean:
        return Mean()

    def add(self, key: Key, mean: Tensor, n: int) -> None:
        """A mean over ``n`` more positions; over none it is no number, and does not count."""
        self[key] += Mean(mean.detach().float() * n, n) if n else Mean()

    def of_all(self) -> Means[Key]:
        """The means over the positions of all processes, some of which may lack a key; all must ask at once."""
        together = Means[Key]()
        for means in of_all({key: Mean(float(mean.total), mean.n) for key, mean in self.items()}):
            for key, mean in means.items():
                together[key] += mean
        return together
