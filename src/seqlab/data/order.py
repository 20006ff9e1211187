"""Which training batches come when: a function of the seed and the epoch, that may be entered anywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler


class Order(Sampler, ABC):
    """Which batches an epoch has, as a function of the epoch; an epoch may be entered at any of them."""

    epoch, first = 0, 0

    @abstractmethod
    def batches(self, epoch: int) -> Iterable:
        """The keys of an epoch's batches, in order."""

    @abstractmethod
    def __len__(self) -> int:
        """How many batches an epoch has."""

    def enter(self, epoch: int, first: int) -> None:
        """Start inside an epoch, at the batch ``first``."""
        self.epoch, self.first = epoch, first

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        if epoch != self.epoch:
            self.enter(epoch, 0)

    def __iter__(self) -> Iterator:
        return islice(self.batches(self.epoch), self.first, None)


class Fresh(Order):
    """Batch numbers that go on counting from epoch to epoch."""

    def __init__(self, n: int):
        self.n = n

    def __len__(self) -> int:
        return self.n

    def batches(self, epoch: int) -> Iterable[int]:
        """The numbers of the epoch's batches."""
        return range(epoch * self.n, (epoch + 1) * self.n)


class InOrder(Order):
    """The same batches in each epoch, one after the other."""

    def __init__(self, n: int):
        self.n = n

    def __len__(self) -> int:
        return self.n

    def batches(self, epoch: int) -> Iterable[int]:
        """The numbers of all batches."""
        return range(self.n)


class Shuffled(Order):
    """Batches of item numbers, in an order that depends on the seed and the epoch alone."""

    def __init__(self, n: int, batch_size: int, seed: int):
        self.n, self.batch_size, self.seed = n, batch_size, seed

    def __len__(self) -> int:
        return self.n // self.batch_size

    def batches(self, epoch: int) -> Iterable[Tensor]:
        """The epoch's items in its own order, a batch at a time."""
        order = torch.from_numpy(np.random.default_rng([self.seed, epoch]).permutation(self.n))
        return order.split(self.batch_size)[: len(self)]
