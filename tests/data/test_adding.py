"""The adding problem is the published one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.adding import Adding
from seqlab.data.base import SequenceData
from seqlab.errors import DataError
from seqlab.testing import DataTests


def adding(length: int = 20, **changes: object) -> Adding:
    return Adding(
        **{"length": length, "batch_size": 8, "train_size": 32, "val_size": 20, "test_size": 24, "seed": 1, **changes}
    )


class TestAdding(DataTests):
    def make(self) -> SequenceData:
        return adding()


class TestAddingOfBai2018(DataTests):
    def make(self) -> SequenceData:
        return adding(form="tcn")


def test_two_marks_one_in_each_half_and_their_sum() -> None:
    """Values in [0, 1]; exactly one mark per half; the target is the sum of the marked values."""
    x, y = adding(length=31).draw(np.random.default_rng(0), 500, 31)
    values, marks = x[..., 0], x[..., 1]
    assert 0 <= values.min() <= values.max() <= 1
    assert torch.equal(marks[:, :15].sum(1), torch.ones(500))
    assert torch.equal(marks[:, 15:].sum(1), torch.ones(500))
    torch.testing.assert_close((values * marks).sum(1, keepdim=True), y)


def test_the_other_form_marks_any_two_steps() -> None:
    """All pairs of different steps are as likely, also two of one half; the target is the sum of their values."""
    x, y = adding(length=5, form="tcn").draw(np.random.default_rng(0), 20_000, 5)
    values, marks = x[..., 0], x[..., 1]
    assert torch.equal(marks.sum(1), torch.full((20_000,), 2.0))
    together = marks.T @ marks / 20_000
    torch.testing.assert_close(together, torch.full((5, 5), 0.1) + 0.3 * torch.eye(5), atol=0.015, rtol=0)
    torch.testing.assert_close((values * marks).sum(1, keepdim=True), y)


@pytest.mark.parametrize("form", ["urnn", "tcn"])
def test_the_constant_one_scores_a_sixth(form: str) -> None:
    """The chance line is 1/6 in both forms, not the 0.1767 that Le et al. and the code of Bai et al. quote."""
    data = adding(test_size=100_000, form=form)
    data.setup()
    _, y = data.draw(np.random.default_rng(0), 200_000, 20)
    assert data.spec.references["chance"] == 1 / 6
    assert ((y - 1) ** 2).mean().item() == pytest.approx(1 / 6, abs=2e-3)


def test_training_is_fresh_in_each_epoch_and_its_seed_matters() -> None:
    """No training sequence comes twice; validation is the same for every seed."""
    one, two = adding(seed=1), adding(seed=2)
    for data in (one, two):
        data.setup()
    loader = one.loader("train")
    first = torch.cat([x for x, _ in loader])
    loader.sampler.set_epoch(1)
    second = torch.cat([x for x, _ in loader])
    assert not (first[:, None] == second).all(-1).all(-1).any()
    assert not torch.equal(first, torch.cat([x for x, _ in two.loader("train")]))
    for a, b in zip(one.loader("val"), two.loader("val"), strict=True):
        assert torch.equal(a[0], b[0])


def test_impossible_sizes_are_refused() -> None:
    """One step has no two halves; there are two forms; an epoch needs a batch."""
    with pytest.raises(DataError, match=r"data\.length=1: expected at least 2\."):
        adding(length=1)
    with pytest.raises(DataError, match=r"data\.form=le: expected urnn or tcn\."):
        adding(form="le")
    with pytest.raises(DataError, match=r"data\.batch_size=64: larger than data\.train_size=32"):
        adding(batch_size=64).setup()
