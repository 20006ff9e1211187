"""Associative recall is Zoology's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.recall import Recall
from seqlab.errors import DataError
from seqlab.spec import IGNORE
from seqlab.testing import DataTests


def recall(length: int = 16, pairs: int = 2, vocabulary_size: int = 32, **changes: float) -> Recall:
    sizes = {"batch_size": 8, "train_size": 32, "val_size": 20, "test_size": 24, "seed": 1}
    return Recall(**{"length": length, "pairs": pairs, "vocabulary_size": vocabulary_size, **sizes, **changes})


class TestRecall(DataTests):
    def make(self) -> SequenceData:
        return recall()


def test_each_key_is_asked_for_once_and_answered_with_its_value() -> None:
    """Pairs first, keys and values from the two halves of the vocabulary, none twice; a query shows its key."""
    x, y = recall(length=64, pairs=4, vocabulary_size=128).draw(np.random.default_rng(0), 200, 64)
    keys, values = x[:, 0:8:2], x[:, 1:8:2]
    assert 1 <= int(keys.min()) <= int(keys.max()) < 64 <= int(values.min()) <= int(values.max()) < 128
    for read, answers in zip(x.tolist(), y.tolist(), strict=True):
        pairs = dict(zip(read[0:8:2], read[1:8:2], strict=True))
        asked = [t for t, answer in enumerate(answers) if answer != IGNORE]
        assert len(pairs) == len(set(pairs.values())) == 4
        assert {read[t]: answers[t] for t in asked} == pairs
        assert all(t >= 8 and t % 2 == 0 for t in asked)


def test_queries_come_by_the_power_law() -> None:
    """Of one query, place g = 1, 2, … has P(g) ∝ g^(a − 1); at a = 1 all alike."""
    for power in (0.01, 1.0):
        data = recall(length=16, pairs=1, power=power)
        _, y = data.draw(np.random.default_rng(0), 40_000, 16)
        place = ((y != IGNORE).nonzero()[:, 1] - 2) // 2
        law = torch.arange(1.0, 8.0, dtype=torch.double) ** (power - 1)
        found = torch.bincount(place, minlength=7).double() / 40_000
        torch.testing.assert_close(found, law / law.sum(), atol=0.01, rtol=0)


def test_drawing_without_replacement_is_drawing_one_after_the_other() -> None:
    """The second of two places follows the law with the first left out, as with ``numpy.random.choice``."""
    data = recall(length=10, pairs=2, vocabulary_size=12)  # three places
    x, y = data.draw(np.random.default_rng(0), 60_000, 10)
    first_key, w = x[:, :1], 1 / np.arange(1, 4) ** 0.99
    places = (y != IGNORE).nonzero()[:, 1].view(-1, 2)
    first = (places[(x.gather(1, places) == first_key)] - 4) // 2
    second = (places[(x.gather(1, places) != first_key)] - 4) // 2
    for i in range(3):
        for j in set(range(3)) - {i}:
            law = w[i] / w.sum() * w[j] / (w.sum() - w[i])
            assert ((first == i) & (second == j)).double().mean().item() == pytest.approx(law, abs=0.01)


def test_chance_is_one_value_of_all_and_of_the_sequence() -> None:
    """A constant value is right once in K/2; the value of the first pair once in n."""
    data = recall(length=16, pairs=4)
    references = data.describe().references
    x, y = data.draw(np.random.default_rng(0), 10_000, 16)
    answers = y[y != IGNORE].view(-1, 4)
    assert (answers == 20).double().mean().item() == pytest.approx(references["chance"], abs=5e-3)
    assert (answers == x[:, 1:2]).double().mean().item() == references["any value of the sequence"] == 0.25


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 6}, r"data\.length=6, data\.pairs=2: expected"),
        ({"length": 15}, r"data\.length=15, data\.pairs=2: expected at least 1 pair and an even length"),
        ({"pairs": 0}, r"data\.pairs=0: expected"),
        ({"vocabulary_size": 16}, r"data\.vocabulary_size=16: expected more than data\.length=16"),
        ({"power": 0}, r"data\.power=0: expected a number above 0"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, float], message: str) -> None:
    """With the keys that are to be mended."""
    with pytest.raises(DataError, match=message):
        recall(**changes)
