"""Adding and multiplication are the published ones of 1997."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.marked_pairs import Adding1997, MarkedPairs, Multiplication1997
from seqlab.errors import DataError
from seqlab.testing import DataTests

SIZES = {"batch_size": 4, "train_size": 16, "val_size": 12, "test_size": 16, "seed": 1}


def adding(length: int = 100) -> Adding1997:
    return Adding1997(length, **SIZES)


def multiplication(length: int = 100) -> Multiplication1997:
    return Multiplication1997(length, [140, 13], **SIZES)


class TestAdding1997(DataTests):
    def make(self) -> SequenceData:
        return adding(20)


class TestMultiplication1997(DataTests):
    def make(self) -> SequenceData:
        return multiplication(20)


@pytest.mark.parametrize(("data", "lowest", "neutral"), [(adding(), -1.0, 0.0), (multiplication(), 0.0, 1.0)])
def test_two_pairs_are_marked_as_in_the_paper(data: MarkedPairs, lowest: float, neutral: float) -> None:
    """One of the first ten, one of the first T/2 − 1 that are left; the ends are marked −1, unless the first is 1."""
    x, _ = data.draw(np.random.default_rng(0), 20_000, 104)
    values, marks = x.unbind(-1)
    assert lowest <= values.min() < lowest + 0.001
    assert 0.999 < values.max() <= 1
    assert ((marks == 1).sum(1) == 2).all()
    assert (marks[:, -1] == -1).all()
    assert set(marks[:, 1:-1].unique().tolist()) == {0, 1}
    first = marks[:, 0] == 1
    assert set(marks[~first, 0].tolist()) == {-1}
    assert set(values[first, 0].tolist()) == {neutral}
    assert values[~first, 0].unique().numel() > 1000
    assert first.float().mean().item() == pytest.approx(1 / 10 + 9 / 10 / 49, abs=0.01)
    where = (marks == 1).nonzero()[:, 1].view(-1, 2)
    assert (where[:, 0] < 10).all()
    assert (int(where.min()), int(where.max())) == (0, 49)  # so the last of them is at least 50 steps before the end


def test_targets_are_the_scaled_sum_and_the_product_of_what_is_marked() -> None:
    """0.5 + (X₁ + X₂)/4 and X₁ X₂."""
    for data, combine in ((adding(), lambda v: 0.5 + v.sum() / 4), (multiplication(), lambda v: v.prod())):
        x, y = data.draw(np.random.default_rng(1), 200, 100)
        expected = torch.stack([combine(row[row[:, 1] == 1, 0]) for row in x])
        torch.testing.assert_close(y, expected[:, None])
        assert 0 <= y.min() <= y.max() <= 1


@pytest.mark.parametrize(("data", "constant"), [(adding(), 0.5), (multiplication(), 0.04)])
def test_no_constant_is_right_more_often_than_chance_says(data: MarkedPairs, constant: float) -> None:
    """The exact share of a simulated 200,000, and no better constant on a grid."""
    data.setup()
    x, y = data.draw(np.random.default_rng(2), 100_000, 100)
    wrong = {
        c: 1 - data.spec.right(x, torch.full_like(y, c), y).float().mean().item()
        for c in (constant, *np.linspace(0, 1, 41))
    }
    assert wrong[constant] == pytest.approx(data.spec.references["chance"], abs=4e-3)
    assert min(wrong.values()) > wrong[constant] - 4e-3


def test_criteria_are_the_papers() -> None:
    """4: the last 2000 right, and an error below 0.01; 5: fewer than 140, and than 13, of the last 2000 wrong."""
    (criterion,) = adding().describe().criteria
    assert (criterion.last, criterion.wrong, criterion.error) == (2000, 0, 0.01)
    found = {c.name: (c.last, c.wrong, c.error) for c in multiplication().describe().criteria}
    assert found == {"below_140": (2000, 139, np.inf), "below_13": (2000, 12, np.inf)}
    right = adding().describe().right
    assert right(torch.zeros(2, 1), torch.tensor([[0.539], [0.541]]), torch.full((2, 1), 0.5)).tolist() == [True, False]


def test_lengths_are_those_of_the_paper() -> None:
    """T to T + T/10; a length in whose first half ten pairs have no room is refused."""
    assert adding(500).lengths("test") == (500, 550)
    with pytest.raises(DataError, match=r"data\.length=10: expected at least 20"):
        adding(10)
