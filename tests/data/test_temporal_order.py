"""The temporal order problem is the published one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.temporal_order import SYMBOLS, TemporalOrder
from seqlab.errors import DataError
from seqlab.testing import DataTests


def temporal_order(variant: str = "a", length: int = 100, **changes: int) -> TemporalOrder:
    sizes = {"batch_size": 4, "train_size": 16, "val_size": 12, "test_size": 16, "seed": 1, **changes}
    return TemporalOrder(variant, length, **sizes)


class TestTwoSymbols(DataTests):
    def make(self) -> SequenceData:
        return temporal_order()


class TestThreeSymbols(DataTests):
    def make(self) -> SequenceData:
        return temporal_order("b", 40)


@pytest.mark.parametrize(
    ("variant", "places", "order"),
    [
        ("a", [(10, 20), (50, 60)], ["XX", "XY", "YX", "YY"]),
        ("b", [(10, 20), (33, 43), (66, 76)], ["XXX", "XXY", "XYX", "XYY", "YXX", "YXY", "YYX", "YYY"]),
    ],
)
def test_at_100_steps_it_is_experiment_6(variant: str, places: list[tuple[int, int]], order: list[str]) -> None:
    """E first, B last, X or Y at the paper's places (counted from 1), a to d elsewhere; the class is their order."""
    x, y = temporal_order(variant).draw(np.random.default_rng(0), 3000, 105)
    strings = ["".join(SYMBOLS[i] for i in ids) for ids in x.tolist()]
    found = [[t for t, symbol in enumerate(string, 1) if symbol in "XY"] for string in strings]
    assert [(min(steps), max(steps)) for steps in zip(*found, strict=True)] == places
    said = ["".join(string[t - 1] for t in steps) for string, steps in zip(strings, found, strict=True)]
    assert [order[c] for c in y.tolist()] == said
    assert {string[0] + string[-1] for string in strings} == {"EB"}
    assert set("".join(string[1:-1] for string in strings)) == set("abcdXY")
    assert torch.bincount(y).min() > 3000 / len(order) * 0.8


def test_the_places_scale_with_the_length() -> None:
    """At T = 1000 the second symbol lies ten times as far, and the shortest lag to the end is 400."""
    data = temporal_order(length=1000)
    assert data.lengths("train") == (1000, 1100)
    x, _ = data.draw(np.random.default_rng(0), 2000, 1000)
    last = torch.tensor([int((row >= SYMBOLS.index("X")).nonzero()[-1]) + 1 for row in x])
    assert (int(last.min()), int(last.max())) == (500, 600)


def test_lengths_are_those_of_the_paper() -> None:
    """100 to 110; all batches of one length, and validation goes through all lengths."""
    data = temporal_order(batch_size=1, val_size=22, train_size=300)
    data.setup()
    assert {x.shape[1] for x, _ in data.loader("val")} == set(range(100, 111))
    assert {x.shape[1] for x, _ in data.loader("train")} == set(range(100, 111))


def test_chance_and_the_criterion_are_the_papers() -> None:
    """One class for all is wrong in 3/4 or 7/8; within 0.3; 2000 in a row and an error below 0.1."""
    for variant, chance in (("a", 3 / 4), ("b", 7 / 8)):
        data = temporal_order(variant)
        data.setup()
        _, y = data.draw(np.random.default_rng(1), 20_000, 100)
        assert data.spec.references["chance"] == chance
        assert (y != 0).float().mean().item() == pytest.approx(chance, abs=0.01)
        (criterion,) = data.spec.criteria
        assert (criterion.last, criterion.wrong, criterion.error) == (2000, 0, 0.1)
    outputs = torch.tensor([[0.71, 0.29, 0.0, 0.0], [0.69, 0.0, 0.0, 0.0], [0.9, 0.31, 0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0, 0.0, 0.0]]).expand(3, 4)
    assert data.spec.right(torch.zeros(3, 1), outputs, targets).tolist() == [True, False, False]


def test_what_cannot_be_is_refused() -> None:
    """Below 20 steps the first symbol would fall on E; there are two variants."""
    with pytest.raises(DataError, match=r"data\.length=19: expected at least 20"):
        temporal_order(length=19)
    with pytest.raises(DataError, match=r"data\.variant=c: expected a or b"):
        temporal_order("c")
