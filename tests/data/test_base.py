"""Lengths: one for each batch, drawn for training, all of them for validation and test."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections import Counter

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, SequenceData, Split, fingerprint
from seqlab.spec import DataSpec, Metric, Reals
from seqlab.testing import DataTests


class Many(GeneratedData):
    """Sequences of three to six steps; of ten to thirteen for the test."""

    def lengths(self, split: Split) -> tuple[int, int]:
        return (10, 13) if split == "test" else (3, 6)

    def describe(self) -> DataSpec:
        return DataSpec(Reals(1), Reals(1), "last", Metric("mse", "min", "units"), {"chance": 1.0})

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        x = torch.from_numpy(rng.random((size, length, 1), dtype=np.float32))
        return x, x[:, 0]


def many(**changes: int) -> Many:
    return Many(**{"batch_size": 1, "train_size": 400, "val_size": 12, "test_size": 90, "seed": 1, **changes})


class TestMany(DataTests):
    def make(self) -> SequenceData:
        return many(eval_batch_size=5)


def test_every_length_is_tested_as_often() -> None:
    """90 sequences in batches of five: 18 batches, evenly over four lengths, from short to long."""
    data = many(eval_batch_size=5)
    data.setup()
    lengths = [x.shape[1] for x, _ in data.loader("test")]
    assert lengths == sorted(lengths)
    assert sorted(Counter(lengths).values()) == [4, 4, 5, 5]
    assert all(len(x) == 5 for x, _ in data.loader("test"))
    assert [x.shape[1] for x, _ in many(eval_batch_size=12).loader("val")] == [3]


def test_training_draws_its_lengths() -> None:
    """On-line, 400 sequences have each of four lengths about a hundred times, in an order that the seed decides."""
    one, two = ([x.shape[1] for x, _ in many(seed=seed).loader("train")] for seed in (1, 2))
    assert set(one) == {3, 4, 5, 6}
    assert min(Counter(one).values()) > 70
    assert one != two


def test_a_fingerprint_is_of_the_bytes_and_copies_none() -> None:
    """A corpus that is memory-mapped stays on its disk."""
    ids = np.arange(4_000_000, dtype=np.uint16).reshape(2, -1)
    expected = hashlib.sha256(ids.tobytes() + b"symbols").hexdigest()[:16]
    tracemalloc.start()
    assert fingerprint(ids, b"symbols") == expected
    assert tracemalloc.get_traced_memory()[1] < ids.nbytes / 10
    tracemalloc.stop()
