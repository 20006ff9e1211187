"""The contract of a data set, and its two usual forms: drawn from a law, or held in arrays.

A data set is a ``LightningDataModule`` that has, once it is set up, a ``spec`` and a ``fingerprint``. Its loaders give
whole batches ``(inputs, targets)``; which batch comes when depends on the seed and the epoch alone, so that training
can be entered at any batch of any epoch. Where several processes make a run, each takes its share of a batch's rows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Literal, TypeVar, get_args

import numpy as np
import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from seqlab.data.order import Fresh, InOrder, Order, Shuffled
from seqlab.errors import DataError
from seqlab.spec import DataSpec

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
Name = TypeVar("Name", bound=str)
Batch = tuple[Tensor, Tensor]
"""Inputs (B, T, D) or token ids (B, T); targets of the kind and at the positions that the spec says."""


class SequenceData(pl.LightningDataModule, ABC):
    """A data set of sequences.

    Attributes:
        spec: kinds, sizes, loss positions, main metric, references; there after ``setup``.
        fingerprint: a hash of what was read or drawn, recorded with each run; there after ``setup``.
        start: the epoch and the batch at which training is entered.

    Args:
        batch_size: B.
        workers: how many processes prepare batches; 0 prepares them in the run's own.
    """

    spec: DataSpec
    fingerprint: str

    def __init__(self, batch_size: int, workers: int = 0):
        super().__init__()
        self.batch_size, self.workers = batch_size, workers
        self.start = (0, 0)
        self._is_set_up = False

    @abstractmethod
    def load(self) -> None:
        """Read or draw the data; set ``spec`` and ``fingerprint``.

        Raises:
            DataError: the data cannot be used; the message names file, row, column or size.
        """

    @abstractmethod
    def batches(self, split: Split) -> Dataset[Batch]:
        """The batches of one split, each a whole one, by number or by whatever key ``order`` gives."""

    def order(self) -> Order:
        """The order of training batches: one after the other, unless a data set says otherwise."""
        return InOrder(len(self.batches("train")))  # type: ignore[arg-type]

    def loader(self, split: Split) -> DataLoader:
        """Batches of one split. For ``train`` their order may change with the epoch, for the others never."""
        order = self.order() if split == "train" else None
        return DataLoader(self.batches(split), sampler=order, batch_size=None, num_workers=self.workers)

    def setup(self, stage: str | None = None) -> None:
        """Load once, whatever the stage."""
        if not self._is_set_up:
            self.load()
            self._is_set_up = True

    def train_dataloader(self) -> DataLoader:
        """Training batches, from ``start`` on."""
        loader = self.loader("train")
        if isinstance(loader.sampler, Order):
            loader.sampler.enter(*self.start)
        return loader

    def val_dataloader(self) -> DataLoader:
        """Batches for model selection."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader:
        """Batches that are read once, at the end."""
        return self.loader("test")

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """This process's share of the rows of a batch, where several make the run."""
        if self.trainer is None or self.trainer.world_size == 1:
            return batch
        inputs, targets = (part.tensor_split(self.trainer.world_size)[self.trainer.global_rank] for part in batch)
        return inputs, targets


class _Drawn(Dataset[Batch]):
    """Batch i of a split, drawn from a random stream of its own."""

    def __init__(self, data: GeneratedData, split: Split):
        self.data, self.split, self.size = data, split, data.sizes[split]
        self.batch_size = data.batch_size if split == "train" else data.eval_batch_size

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def __getitem__(self, index: int) -> Batch:
        trains, n = self.split == "train", self.batch_size
        size = n if trains else min(n, self.size - index * n)
        rng = np.random.default_rng([SPLITS.index(self.split), self.data.seed if trains else 0, index])
        draw = self.data.draw_to_learn if trains else self.data.draw
        return draw(rng, size, self._length(index, rng))

    def _length(self, index: int, rng: np.random.Generator) -> int:
        shortest, longest = self.data.lengths(self.split)
        if self.split == "train":
            return int(rng.integers(shortest, longest, endpoint=True))
        return shortest + index * (longest + 1 - shortest) // len(self)


class GeneratedData(SequenceData):
    """Sequences drawn from a law: training never sees one twice, and all seeds share one validation and one test set.

    Where lengths vary, all sequences of a batch have the same: a training batch a random one, and the batches of
    validation and test go evenly through all of them.

    Attributes:
        length: T.
        spread: by how many per cent of T a sequence may be longer than T.

    Args:
        batch_size: B.
        train_size: sequences per epoch, fresh in each epoch.
        val_size: sequences in the validation set.
        test_size: sequences in the test set.
        seed: of the training stream.
        workers: as ``SequenceData`` has them.
        eval_batch_size: sequences per batch of validation and test; ``None`` for B.
    """

    length: int
    spread: ClassVar[int] = 0

    def __init__(
        self,
        batch_size: int,
        train_size: int,
        val_size: int,
        test_size: int,
        seed: int,
        workers: int = 0,
        eval_batch_size: int | None = None,
    ):
        super().__init__(batch_size, workers)
        self.sizes: dict[Split, int] = {"train": train_size, "val": val_size, "test": test_size}
        self.seed = seed
        self.eval_batch_size = eval_batch_size or batch_size

    @abstractmethod
    def describe(self) -> DataSpec:
        """The spec of the law."""

    def lengths(self, split: Split) -> tuple[int, int]:
        """The shortest and the longest length of a split's sequences, between which all are as likely."""
        return self.length, self.length + self.length * self.spread // 100

    @abstractmethod
    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """``size`` sequences of a length and their targets, all randomness from ``rng``."""

    def draw_to_learn(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """What training sees: the same law, unless a data set says otherwise."""
        return self.draw(rng, size, length)

    def load(self) -> None:
        """Check the sizes and draw one batch for the fingerprint."""
        if self.batch_size > self.sizes["train"]:
            raise DataError(
                f"data.batch_size={self.batch_size}: larger than data.train_size={self.sizes['train']}, "
                "so an epoch would have no batch. Lower the one or raise the other."
            )
        self.spec = self.describe()
        inputs, targets = self.draw(np.random.default_rng(0), 8, self.lengths("train")[0])
        self.fingerprint = fingerprint(inputs.numpy(), targets.numpy())

    def batches(self, split: Split) -> Dataset[Batch]:
        """Batches drawn as they are needed."""
        return _Drawn(self, split)

    def order(self) -> Order:
        """Other batches in each epoch."""
        return Fresh(self.sizes["train"] // self.batch_size)


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
        workers: as ``SequenceData`` has them.
    """

    def __init__(self, batch_size: int, seed: int, workers: int = 0):
        super().__init__(batch_size, workers)
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

    def batches(self, split: Split) -> Dataset[Batch]:
        """Batches cut from the arrays."""
        return _Held(*self.held[split], self.batch_size)

    def order(self) -> Order:
        """Another order of the sequences in each epoch."""
        return Shuffled(len(self.held["train"][0]), self.batch_size, self.seed)


def one_of(key: str, name: Name, known: Iterable[str]) -> Name:
    """A name that is known.

    Raises:
        DataError: it is not.
    """
    if name not in known:
        raise DataError(f"{key}={name}: expected {' or '.join(known)}.")
    return name


def at_least(key: str, value: int, least: int) -> int:
    """A number that is large enough.

    Raises:
        DataError: it is not.
    """
    if value < least:
        raise DataError(f"{key}={value}: expected at least {least}.")
    return value


def only_with(other: str, key: str, value: object, usual: object) -> None:
    """Refuse a value that says nothing without another key.

    Raises:
        DataError: it is not the usual one.
    """
    if value != usual:
        raise DataError(f"{key}={value}: says nothing without {other}. Give that too, or leave {key} out.")


def fingerprint(*parts: np.ndarray | bytes) -> str:
    """Sixteen hex digits of the SHA-256 of some arrays or bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()[:16]
