"""Selective copying is MAD's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.selective_copying import SelectiveCopying
from seqlab.errors import DataError
from seqlab.spec import IGNORE
from seqlab.testing import DataTests


def selective(length: int = 12, symbols: int = 3, **changes: int) -> SelectiveCopying:
    sizes = {"batch_size": 8, "train_size": 32, "val_size": 20, "test_size": 24, "seed": 1}
    return SelectiveCopying(**{"length": length, "symbols": symbols, **sizes, **changes})


class TestSelectiveCopying(DataTests):
    def make(self) -> SequenceData:
        return selective()


def test_what_is_not_blank_is_the_answer() -> None:
    """At MAD's sizes: 16 of 14 symbols, 223 blanks, the copy token, and 16 blanks at which the symbols are due."""
    x, y = selective(length=256, symbols=16).draw(np.random.default_rng(0), 50, 256)
    assert x.shape == y.shape == (50, 256)
    assert (x[:, 239] == 15).all()
    assert (x[:, 240:] == 14).all()
    assert (y[:, :240] == IGNORE).all()
    for read, answer in zip(x[:, :239], y[:, 240:], strict=True):
        assert torch.equal(read[read != 14], answer)
        assert int(answer.max()) < 14


def test_each_blank_stands_before_any_symbol_alike() -> None:
    """The gaps are multinomial: mean b / n, variance b (1/n)(1 − 1/n); the last symbol is followed by no blank."""
    n, blanks = 4, 20
    data = selective(length=2 * n + 1 + blanks, symbols=n)
    x, _ = data.draw(np.random.default_rng(0), 20_000, data.length)
    places = (x[:, : n + blanks] < 14).nonzero()[:, 1].view(-1, n)
    gaps = torch.diff(places, dim=1, prepend=torch.full((len(x), 1), -1)) - 1
    assert (gaps.sum(1) == blanks).all()
    torch.testing.assert_close(gaps.double().mean(0), torch.full((n,), blanks / n).double(), atol=0.05, rtol=0)
    torch.testing.assert_close(gaps.double().var(0), torch.full((n,), 3.75).double(), atol=0.15, rtol=0)


def test_chance_is_one_of_the_symbols() -> None:
    """A constant answer is right once in K − 2."""
    data = selective()
    _, y = data.draw(np.random.default_rng(0), 20_000, 12)
    assert data.describe().references["chance"] == 1 / 14
    assert (y[:, -3:] == 5).double().mean().item() == pytest.approx(1 / 14, abs=4e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"symbols": 0}, r"data\.symbols=0: expected at least 1\."),
        ({"length": 7}, r"data\.length=7: 3 symbols, .* it must be at least 8"),
        ({"vocabulary_size": 3}, r"data\.vocabulary_size=3: expected at least 4"),
    ],
)
def test_what_has_no_room_is_refused(changes: dict[str, int], message: str) -> None:
    """With the key that is to be mended."""
    with pytest.raises(DataError, match=message):
        selective(**changes)
    selective(length=8)
