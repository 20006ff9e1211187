"""The toy translations have one right answer, and it is this."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from seqlab.data.base import SPLITS, SequenceData
from seqlab.data.translation import DATE_FORMS, FIRST_DAY, LAST_DAY, Translation, in_words
from seqlab.errors import DataError
from seqlab.spec import IGNORE
from seqlab.testing import DataTests


def translation(pairs: str = "words_to_digits", **changes: int) -> Translation:
    sizes = {"batch_size": 20, "seed": 1, "train_size": 200, "val_size": 50, "test_size": 40, **changes}
    return Translation(pairs=pairs, **sizes)


class TestWordsToDigits(DataTests):
    def make(self) -> SequenceData:
        return translation()


class TestDigitsToWords(DataTests):
    def make(self) -> SequenceData:
        return translation("digits_to_words")


class TestDates(DataTests):
    def make(self) -> SequenceData:
        return translation("dates")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (80, "eighty"),
        (241, "two hundred and forty one"),
        (300, "three hundred"),
        (1000, "one thousand"),
        (1007, "one thousand and seven"),
        (20_100, "twenty thousand one hundred"),
        (999_999, "nine hundred and ninety nine thousand nine hundred and ninety nine"),
    ],
)
def test_numbers_in_words(number: int, words: str) -> None:
    """British English, as the docstring says."""
    assert " ".join(in_words(number)) == words


def test_no_two_numbers_are_written_alike() -> None:
    """So a number in words has one answer."""
    numbers = [*range(2100), *range(99_900, 100_200), *range(999_000, 1_000_000)]
    assert len({tuple(in_words(n)) for n in numbers}) == len(numbers)


def test_no_two_days_are_written_alike() -> None:
    """So a date has one answer, in whatever form it is written."""
    days = [FIRST_DAY + timedelta(days=n) for n in range(0, (LAST_DAY - FIRST_DAY).days, 7)]
    meant: dict[str, date] = {}
    for day in days:
        for form in DATE_FORMS:
            assert meant.setdefault(form(day), day) == day
    assert DATE_FORMS[4](date(2009, 5, 3)) == "the 3rd of May 2009"


@pytest.mark.parametrize("pairs", ["words_to_digits", "digits_to_words", "dates"])
def test_what_is_tested_was_not_learned(pairs: str) -> None:
    """No translation of the validation or test part occurs in training."""
    data = translation(pairs)
    data.setup()
    targets = {split: {tuple(row) for row in data.held[split][1].tolist()} for split in SPLITS}
    assert not targets["train"] & (targets["val"] | targets["test"])
    assert not targets["val"] & targets["test"]


def test_pairs_are_true_and_padded_as_said() -> None:
    """Sources are padded on the left, targets end with <end> and then do not count."""
    data = translation()
    data.setup()
    x, y = (part.numpy() for part in data.held["train"])
    symbols, digits = data.spec.inputs.symbols, data.spec.targets.symbols
    for source, target in zip(x[:50], y[:50], strict=True):
        first = int(np.flatnonzero(source)[0])
        assert not source[:first].any()
        end = int(np.flatnonzero(target == 0)[0])
        assert (target[end + 1 :] == IGNORE).all()
        number = int("".join(digits[i] for i in target[:end]))
        assert [symbols[i] for i in source[first:]] == in_words(number)


def test_more_pairs_than_there_are_is_refused() -> None:
    """There are only so many days."""
    with pytest.raises(DataError, match=r"there are only 73,049 dates"):
        translation("dates", train_size=100_000).setup()
    with pytest.raises(DataError, match=r"data\.pairs=morse: expected words_to_digits"):
        translation("morse")
