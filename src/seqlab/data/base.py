"""The contract of a data set, and its two usual forms: drawn from a law, or held in arrays.

A data set is a ``LightningDataModule`` that has, once it is set up, a ``spec`` and a ``fingerprint``. Its loaders give
whole batches ``(inputs, targets)``; which batch comes when depends on the seed and the epoch alone.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from seqlab.errors import DataError
from seqlab.spec import DataSpec

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Batch = tuple[Tensor, Tensor]
"""Inputs (B, T, D) or token ids (B, T); targets of the kind and at the positions that the spec says."""


class SequenceData(pl.LightningDataModule, ABC):
    """A data set of sequences.

    Attributes:
        spec: kinds, sizes, loss positions, main metric, references; there after ``setup``.
        fingerprint: a hash of what was read or drawn, recorded with each run; there after ``setup``.
    """

    spec: DataSpec
    fingerprint: str

    def __init__(self, batch_size: int):
        super().__init__()
        self.batch_size = batch_size
        self._is_set_up = False

    @abstractmethod
    def load(self) -> None:
        """Read or draw the data; set ``spec`` and ``fingerprint``.

        Raises:
            DataError: the data cannot be used; the message names file, row, column or size.
        """

    @abstractmethod
    def loader(self, split: Split) -> DataLoader:
        """Batches of one split. For ``train`` their order changes with the epoch, for the others never."""

    def setup(self, stage: str | None = None) -> None:
        """Load once, whatever the stage."""
        if not self._is_set_up:
            self.load()
            self._is_set_up = True

    def train_dataloader(self) -> DataLoader:
        """Training batches."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader:
        """Batches for model selection."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader:
        """Batches that are read once, at the end."""
        return self.loader("test")


class Fresh(Sampler[int]):
    """Batch numbers that go on counting from epoch to epoch."""

    def __init__(self, n: int):
        self.n, self.epoch = n, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[int]:
        # a generator, so that the epoch is read late: a resumed run sets it after iter()
        yield from range(self.epoch * self.n, (self.epoch + 1) * self.n)


class Shuffled(Sampler[Tensor]):
    """Batches of item numbers, in an order that depends on the seed and the epoch alone."""

    def __init__(self, n: int, batch_size: int, seed: int):
        self.n, self.batch_size, self.seed, self.epoch = n, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.n // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        order = torch.from_numpy(np.random.default_rng([self.seed, self.epoch]).permutation(self.n))
        yield from order.split(self.batch_size)[: len(self)]


class _Drawn(Dataset[Batch]):
    """Batch i of a split, drawn from a random stream of its own."""

    def __init__(self, data: GeneratedData, split: Split):
        self.data, self.split, self.size = data, split, data.sizes[split]

    def __len__(self) -> int:
        return -(-self.size // self.data.batch_size)

    def __getitem__(self, index: int) -> Batch:
        whole = self.data.batch_size
        size = whole if self.split == "train" else min(whole, self.size - index * whole)
        seed = self.data.seed if self.split == "train" else 0
        return self.data.draw(np.random.default_rng([SPLITS.index(self.split), seed, index]), size)


class GeneratedData(SequenceData):
    """Sequences drawn from a law: training never sees one twice, and all seeds share one validation and one test set.

    Args:
        batch_size: B.
        train_size: sequences per epoch, fresh in each epoch.
        val_size: sequences in the validation set.
        test_size: sequences in the test set.
        seed: of the training stream.
    """

    def __init__(self, batch_size: int, train_size: int, val_size: int, test_size: int, seed: int):
        super().__init__(batch_size)
        self.sizes: dict[Split, int] = {"train": train_size, "val": val_size, "test": test_size}
        self.seed = seed

    @abstractmethod
    def describe(self) -> DataSpec:
        """The spec of the law."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: int) -> Batch:
        """``size`` sequences and their targets, all randomness from ``rng``."""

    def load(self) -> None:
        """Check the sizes and draw one batch for the fingerprint."""
        if self.batch_size > self.sizes["train"]:
            raise DataError(
                f"data.batch_size={self.batch_size}: larger than data.train_size={self.sizes['train']}, "
                "so an epoch would have no batch. Lower the one or raise the other."
            )
        self.spec = self.describe()
        inputs, targets = self.draw(np.random.default_rng(0), 8)
        self.fingerprint = fingerprint(inputs.numpy(), targets.numpy())

    def loader(self, split: Split) -> DataLoader:
        """Batches drawn as they are needed."""
        sampler = Fresh(self.sizes["train"] // self.batch_size) if split == "train" else None
        return DataLoader(_Drawn(self, split), sampler=sampler, batch_size=None)


class _Held(Dataset[Batch]):
    """Batch i in the arrays' own order, or the batch of some items."""

    def __init__(self, inputs: Tensor, targets: Tensor, batch_size: int):
        self.inputs, self.targets, self.batch_size = inputs, targets, batch_size

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch_size)

    def __getitem__(self, index: int | Tensor) -> Batch:
        first = index * self.batch_size
        items = index if isinstance(index, Tensor) else slice(first, first + self.batch_size)
        return self.inputs[items], self.targets[items]


class ArrayData(SequenceData):
    """Sequences held in arrays: training batches are shuffled anew in each epoch.

    Args:
        batch_size: B.
        seed: of the order of training batches.
    """

    def __init__(self, batch_size: int, seed: int):
        super().__init__(batch_size)
        self.seed = seed

    @abstractmethod
    def arrays(self) -> dict[Split, Batch]:
        """All inputs and targets of each split, sequences first; sets ``spec`` and ``fingerprint``."""

    def load(self) -> None:
        """Read the arrays and check that they fill at least one batch."""
        self.held = self.arrays()
        n = len(self.held["train"][0])
        if self.batch_size > n:
            raise DataError(
                f"data.batch_size={self.batch_size}: larger than the training set of {n:,} sequences, "
                "so an epoch would have no batch. Lower it."
            )

    def loader(self, split: Split) -> DataLoader:
        """Batches cut from the arrays."""
        inputs, targets = self.held[split]
        sampler = Shuffled(len(inputs), self.batch_size, self.seed) if split == "train" else None
        return DataLoader(_Held(inputs, targets, self.batch_size), sampler=sampler, batch_size=None)


def fingerprint(*parts: np.ndarray | bytes) -> str:
    """Sixteen hex digits of the SHA-256 of some arrays or bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]
