"""The embedded Reber grammar is the published one."""

from __future__ import annotations

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.reber import LEGAL, NODES, SYMBOLS, Reber, draw, is_legal, legal_next, right
from seqlab.errors import DataError
from seqlab.spec import IGNORE
from seqlab.testing import DataTests


def reber(which: int = 0, **changes: int) -> Reber:
    sizes = {"batch_size": 4, "train_size": 64, "val_size": 64, "test_size": 32, "seed": 1, **changes}
    data = Reber(which, **sizes)
    data.setup()
    return data


class TestReber(DataTests):
    def make(self) -> SequenceData:
        return Reber(0, batch_size=8, train_size=64, val_size=64, test_size=32, seed=1)

    def test_splits_are_different_data(self) -> None:
        """Validation reads the training strings again, as the paper does, and others; the test set has new ones."""
        strings = reber().strings
        assert strings["val"][:64] == strings["train"]
        assert not set(strings["val"][64:]) & set(strings["train"])
        assert not set(strings["test"]) & set(strings["val"])


@pytest.mark.parametrize("string", ["BTBTXSETE", "BPBTXSEPE", "BPBPVVEPE", "BTBTSSSXXTTVPSETE", "BPBPTVPXVVEPE"])
def test_strings_of_the_grammar_are_legal(string: str) -> None:
    """Walked by hand through the published diagram."""
    assert is_legal(string)


@pytest.mark.parametrize("string", ["BTBTXSEPE", "BTXSE", "BTBTXSET", "BTBTXSETEB", "BTBTPSETE", "BSBTXSESE", ""])
def test_other_strings_are_not(string: str) -> None:
    """The wrong T or P at the end, no embedding, no end, more than the end, a wrong turn."""
    assert not is_legal(string)


def test_lengths_are_those_of_the_automaton() -> None:
    """9 at least, which is one string in four, and 12 in the mean: exactly, and as drawn."""

    @cache
    def share(node: int, steps: int) -> Fraction:
        """The probability that a string ends after so many more steps."""
        moves = NODES[node]
        if not moves or not steps:
            return Fraction(not moves and not steps)
        return sum((share(after, steps - 1) for after in moves.values()), Fraction()) / len(moves)

    assert [share(0, n) for n in range(10)] == [0] * 9 + [Fraction(1, 4)]
    assert float(sum(n * share(0, n) for n in range(200))) == pytest.approx(12)
    rng = np.random.default_rng(0)
    strings = [draw(rng) for _ in range(8000)]
    assert all(map(is_legal, strings))
    assert np.mean([len(string) == 9 for string in strings]) == pytest.approx(0.25, abs=0.015)
    assert np.mean([len(string) for string in strings]) == pytest.approx(12, abs=0.2)


def test_what_may_follow_is_known_at_each_step() -> None:
    """Two symbols inside the grammar; after it only the T or P that came second; then E."""
    ids = torch.tensor([[SYMBOLS.index(symbol) for symbol in "BPBTXSEP"]])
    said = ["".join(s for s, legal in zip(SYMBOLS, row, strict=True) if legal) for row in legal_next(ids)[0]]
    assert said == ["TP", "B", "TP", "SX", "SX", "E", "P", "E"]
    assert LEGAL.sum(1).max() == 2


def test_right_means_that_legal_symbols_are_the_most_active() -> None:
    """All legal ones above all others at each step that counts, whatever comes after the end."""
    data = reber(eval_batch_size=16)
    x, y = next(iter(data.loader("val")))
    targets = torch.eye(7)[y.clamp(min=0)].where((y != IGNORE)[..., None], torch.nan)
    outputs = 0.3 + 0.1 * legal_next(x)
    assert right(x, outputs, targets).all()
    outputs[3, 2] = outputs[3, 2].flip(0)
    outputs[5, -1] = 0.5 if y[5, -1] == IGNORE else outputs[5, -1]
    assert right(x, outputs, targets).tolist() == [i != 3 for i in range(16)]
    forgetful = 0.3 + 0.1 * legal_next(x)
    forgetful[..., SYMBOLS.index("T")] += 0.05  # T before P, where only memory tells
    forgetful[..., SYMBOLS.index("P")] += 0.11
    assert not right(x, forgetful, targets).all()


def test_sets_are_of_the_papers_sizes_and_disjoint() -> None:
    """256 and 256; pairs of sets differ by their number alone, and not with the seed of a trial."""
    sizes = {"train_size": 256, "val_size": 256, "test_size": 256}
    one, other, again = (reber(**sizes), reber(1, **sizes), reber(seed=2, **sizes))
    assert [len(one.strings[split]) for split in ("train", "val", "test")] == [256, 512, 256]
    assert all(is_legal(string) for strings in one.strings.values() for string in strings)
    assert one.strings == again.strings != other.strings
    first = next(iter(one.loader("train")))[0]
    assert first.shape != (second := next(iter(again.loader("train")))[0]).shape or not torch.equal(first, second)


def test_batches_are_padded_on_the_right_to_their_longest_string() -> None:
    """Inputs are all symbols but the last, targets all but the first."""
    data = reber(eval_batch_size=5)
    for i, (x, y) in enumerate(data.loader("val")):
        strings = data.strings["val"][5 * i : 5 * i + 5]
        assert x.shape == y.shape == (len(strings), max(map(len, strings)) - 1)
        for string, inputs, targets in zip(strings, x, y, strict=True):
            n = len(string) - 1
            assert data.spec.inputs.write(inputs[:n].tolist()) == string[:-1]
            assert data.spec.targets.write(targets.tolist()) == string[1:]
            assert (targets[n:] == IGNORE).all()


def test_training_strings_are_picked_with_replacement() -> None:
    """As in the paper: in an epoch one may come twice, and each is as likely at every step."""
    picked = torch.cat(list(reber(train_size=256).order().batches(0)))
    assert len(picked) == 256
    assert 130 < len(picked.unique()) < 190  # 1 − 1/e of 256 is 162


def test_a_batch_larger_than_the_training_set_is_refused() -> None:
    """An epoch needs a batch."""
    with pytest.raises(DataError, match=r"data\.batch_size=65: larger than data\.train_size=64"):
        reber(batch_size=65)
