"""The long time lag problems are the published ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.long_lag import LongLag
from seqlab.errors import DataError
from seqlab.testing import DataTests


def long_lag(variant: str = "a", length: int = 10, distractors: int | None = None, **changes: int) -> LongLag:
    sizes = {"batch_size": 8, "train_size": 32, "val_size": 16, "test_size": 24, "seed": 1, **changes}
    return LongLag(variant, length, distractors, **sizes)


class TestNoRegularities(DataTests):
    def make(self) -> SequenceData:
        return long_lag("b")


class TestVeryLongLags(DataTests):
    def make(self) -> SequenceData:
        return long_lag("c")


def written(data: LongLag, x: torch.Tensor) -> list[list[str]]:
    """The symbols of all sequences of a batch."""
    data.setup()
    return [[data.spec.inputs.symbols[i] for i in row] for row in x.tolist()]


def test_variant_a_has_two_sequences_that_differ_at_their_ends() -> None:
    """(y, a1, …, a(p−1), y) and the same with x, each in half of the draws; the next symbol is asked for at each step."""
    data = long_lag("a", 4)
    x, y = data.draw(np.random.default_rng(0), 2000, 4)
    sequences = [a + b[-1:] for a, b in zip(written(data, x), written(data, y), strict=True)]
    assert data.spec.inputs.symbols == ("a1", "a2", "a3", "x", "y")
    assert {tuple(s) for s in sequences} == {(end, "a1", "a2", "a3", end) for end in "xy"}
    assert np.mean([s[0] == "x" for s in sequences]) == pytest.approx(0.5, abs=0.04)
    assert torch.equal(x[:, 1:], y[:, :-1])


def test_twenty_sequences_of_variant_a_hold_both() -> None:
    """So the preset's validation set of 20 is worth 10,000 random ones."""
    data = long_lag("a", 100, val_size=20, eval_batch_size=20)
    data.setup()
    ((x, _),) = data.loader("val")
    assert set(x[:, 0].tolist()) == {99, 100}


def test_variant_b_has_random_symbols_between_the_ends() -> None:
    """There are p − 1 of a1 … a(p−1), evenly; only the last step is judged."""
    data = long_lag("b", 6)
    x, y = data.draw(np.random.default_rng(0), 4000, 6)
    assert x.shape == (4000, 6)
    assert torch.equal(x[:, 0], y[:, -1])
    counts = torch.bincount(x[:, 1:].flatten(), minlength=7)
    assert (counts[:5] / 4000).tolist() == pytest.approx([1.0] * 5, abs=0.06)
    assert counts[5:].sum() == 0
    targets = torch.eye(7)[y]
    nearly = targets.clone()
    nearly[:, :-1] = 1 - nearly[:, :-1]
    nearly[0, -1] = 0.26
    assert data.describe().right(x, nearly, targets).tolist() == [False] + [True] * 3999


def test_variant_c_is_as_long_as_the_paper_says() -> None:
    """b, x or y, at least q distractors, e; with the answer q + 4 symbols at least and q + 4 + 9 in the mean."""
    data = long_lag("c", 50, distractors=20)
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(4000):
        x, y = data.draw(rng, 1, 50)
        first, second, *between, last = written(data, x)[0]
        assert (first, second, last) == ("b", "xy"[y], "e")
        assert set(between) <= {f"a{i}" for i in range(1, 21)}
        lengths.append(x.shape[1] + 1)
    assert min(lengths) == 54
    assert np.mean(lengths) == pytest.approx(50 + 13, abs=0.5)
    assert np.mean([n == 54 for n in lengths]) == pytest.approx(0.1, abs=0.02)


def test_sizes_are_those_of_table_3() -> None:
    """There are p + 4 inputs and 2 outputs, with p = q unless another is said."""
    for data, symbols in ((long_lag("c", 50), 54), (long_lag("c", 50, 20), 24)):
        data.setup()
        assert (data.spec.inputs.size, data.spec.targets.size) == (symbols, 2)


def test_what_cannot_be_is_refused() -> None:
    """Distractors are chosen in variant c alone."""
    with pytest.raises(DataError, match=r"data\.distractors=5: expected at least 1 with data\.variant=c"):
        long_lag("a", distractors=5)
    with pytest.raises(DataError, match=r"data\.length=1: expected at least 2"):
        long_lag(length=1)
