"""The formal languages are those of Delétang et al. (2023), and are judged as they were."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.formal import BucketSort, CycleNavigation, EvenPairs, Parity, ReverseString, StringTask
from seqlab.errors import DataError
from seqlab.spec import IGNORE
from seqlab.testing import DataTests


def task(kind: type[StringTask], length: object = (1, 6), test_length: object = (7, 9), **changes: int) -> StringTask:
    sizes = {"batch_size": 8, "train_size": 64, "val_size": 24, "test_size": 12, "eval_batch_size": 4, "seed": 1}
    return kind(**{"length": length, "test_length": test_length, **sizes, **changes})


class TestParity(DataTests):
    def make(self) -> SequenceData:
        return task(Parity)


class TestEvenPairs(DataTests):
    def make(self) -> SequenceData:
        return task(EvenPairs)


class TestCycleNavigation(DataTests):
    def make(self) -> SequenceData:
        return task(CycleNavigation)


class TestReverseString(DataTests):
    def make(self) -> SequenceData:
        return task(ReverseString)


class TestBucketSort(DataTests):
    def make(self) -> SequenceData:
        return task(BucketSort)


EXAMPLES = [
    (Parity, "1010100", "1"),
    (Parity, "01111", "0"),
    (EvenPairs, "001110", "0"),
    (EvenPairs, "0101001", "1"),
    (EvenPairs, "1", "0"),
    (CycleNavigation, "20100", "3"),
    (CycleNavigation, "2220", "2"),
    (ReverseString, "011010", "010110"),
    (BucketSort, "10204112", "00111224"),
    (BucketSort, "1110001", "0001111"),
]
"""Those of the paper's code; a step of −1, 0 or 1 on the cycle is written 0, 1 or 2."""


@pytest.mark.parametrize(("kind", "string", "answer"), EXAMPLES)
def test_the_published_examples(kind: type[StringTask], string: str, answer: str) -> None:
    """By hand."""
    assert "".join(map(str, task(kind).answer(np.array([[int(s) for s in string]]))[0])) == answer


def walk(string: tuple[int, ...]) -> list[int]:
    place = 0
    for step in string:
        place = {0: place or 5, 1: place + 1, 2: place + 2}[step] - 1
        place = 0 if place == 5 else place
    return [place]


def by_counting(string: tuple[int, ...]) -> list[int]:
    return [symbol for symbol in range(5) for s in string if s == symbol]


ORACLES = {
    Parity: lambda string: [int(string.count(1) in (1, 3, 5))],
    EvenPairs: lambda string: [int(sum(pair in ((0, 1), (1, 0)) for pair in pairwise(string)) in (1, 3, 5))],
    CycleNavigation: walk,
    ReverseString: lambda string: [string[-1 - i] for i in range(len(string))],
    BucketSort: by_counting,
}


@pytest.mark.parametrize("kind", ORACLES)
def test_every_short_string_has_the_answer_of_brute_force(kind: type[StringTask]) -> None:
    """All strings of up to five symbols, against an answer found another way."""
    for length in range(1, 6):
        strings = list(product(range(kind.symbols), repeat=length))
        assert task(kind).answer(np.array(strings)).tolist() == [ORACLES[kind](string) for string in strings]


@pytest.mark.parametrize("kind", ORACLES)
def test_the_answer_is_written_at_blanks_after_the_string(kind: type[StringTask]) -> None:
    """ℓ symbols, then a blank for each symbol of the answer; the loss counts at the blanks alone."""
    data = task(kind)
    x, y = data.draw(np.random.default_rng(0), 50, 6)
    strings, n = x[:, :6], x.shape[1] - 6
    assert n == (6 if kind in (ReverseString, BucketSort) else 1)
    assert (strings < kind.symbols).all()
    assert (x[:, 6:] == kind.symbols).all()
    assert (y[:, :6] == IGNORE).all()
    assert y[:, 6:].tolist() == data.answer(strings.numpy()).tolist()


def test_training_is_short_and_the_test_goes_evenly_through_all_long_lengths() -> None:
    """The published protocol: one random length a batch in [1, 40]; in the test as many strings of each of 41 … 500."""
    sizes = {"batch_size": 2, "train_size": 800, "val_size": 80, "test_size": 920, "eval_batch_size": 2}
    data = task(Parity, (1, 40), (41, 500), **sizes)
    data.setup()
    lengths = {split: [x.shape[1] - 1 for x, _ in data.loader(split)] for split in ("train", "val", "test")}
    assert lengths["val"] == list(range(1, 41))
    assert lengths["test"] == list(range(41, 501))
    assert set(lengths["train"]) == set(range(1, 41))
    assert np.mean(lengths["train"]) == pytest.approx(20.5, abs=1.8)


@pytest.mark.parametrize("kind", ORACLES)
def test_chance_is_a_random_symbol(kind: type[StringTask]) -> None:
    """1/2, or 1/5 where there are five answers; on long strings no constant answer is better."""
    data = task(kind, test_length=(60, 60))
    answers = data.answer(np.random.default_rng(0).integers(0, kind.symbols, (20_000, 60)))
    shares = np.bincount(answers.ravel(), minlength=kind.answers) / answers.size
    assert shares == pytest.approx(data.describe().references["chance"], abs=0.012)
    assert data.describe().references["chance"] == (0.2 if kind in (CycleNavigation, BucketSort) else 0.5)


def test_a_sorted_string_is_nearly_known_from_the_place_alone() -> None:
    """The likeliest symbol of each place: exact by enumeration, and 90 % at the published lengths."""
    for length in ((1, 1), (4, 4), (3, 5)):
        data = task(BucketSort, test_length=length)
        shares = []
        for exact in range(data.long[0], data.long[1] + 1):
            answers = data.answer(np.array(list(product(range(5), repeat=exact))))
            shares.append(np.mean([np.bincount(place).max() / len(answers) for place in answers.T]))
        assert data.describe().references["place alone"] == pytest.approx(np.mean(shares))
    assert task(BucketSort, test_length=(41, 500)).describe().references["place alone"] == pytest.approx(
        0.90127, abs=1e-5
    )


@pytest.mark.parametrize("wrong", [0, 7, [5, 2], [0, 3], [1, 2, 3], [], None, "short"])
def test_lengths_that_are_none_are_refused(wrong: object) -> None:
    """By the key that holds them."""
    with pytest.raises(DataError, match=r"data\.length=.*: expected \[shortest, longest\], at least 1 and in order"):
        task(Parity, length=wrong)
    with pytest.raises(DataError, match=r"data\.test_length="):
        task(Parity, test_length=wrong)


def test_different_seeds_train_on_different_strings_and_share_the_test() -> None:
    """As all generated data."""
    one, two = task(Parity, seed=1), task(Parity, seed=2)
    for data in (one, two):
        data.setup()
    assert all(torch.equal(a[0], b[0]) for a, b in zip(one.loader("test"), two.loader("test"), strict=True))
    assert not all(
        a[0].shape == b[0].shape and torch.equal(a[0], b[0])
        for a, b in zip(one.loader("train"), two.loader("train"), strict=True)
    )
