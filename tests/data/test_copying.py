"""Copy memory is the published one, and its baseline is 10 ln 8 / (T + 20)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.copying import Copying
from seqlab.errors import DataError
from seqlab.heads import cross_entropy
from seqlab.testing import DataTests


def copying(length: int = 5, **changes: object) -> Copying:
    sizes = {"batch_size": 8, "train_size": 32, "val_size": 20, "test_size": 24, "seed": 1}
    return Copying(**{"length": length, **sizes, **changes})


class TestCopying(DataTests):
    def make(self) -> SequenceData:
        return copying()


class TestCopyingOfBai2018(DataTests):
    def make(self) -> SequenceData:
        return copying(form="tcn")


def test_the_worked_examples_of_the_docstring() -> None:
    """Three at T = 4: symbols, three blanks, the marker, and blanks or markers; the answer comes after seven blanks."""
    for form, read in (("urnn", "{}___|___"), ("tcn", "{}___||||")):
        data = copying(length=4, symbols=3, form=form)
        spec = data.describe()
        for x, y in zip(*data.draw(np.random.default_rng(0), 50, 4), strict=True):
            said = spec.inputs.write(x[:3].tolist())
            assert set(said) <= set("abcdefgh")
            assert spec.inputs.write(x.tolist()) == read.format(said)
            assert spec.targets.write(y.tolist()) == "_" * 7 + said


def test_the_answer_comes_t_steps_and_ten_after_its_symbol() -> None:
    """T + 20 steps; symbol i is read at i, asked for at T + 10 + i; the marker stands right before the first answer."""
    for length in (1, 100):
        x, y = copying(length=length).draw(np.random.default_rng(0), 30, length)
        assert x.shape == y.shape == (30, length + 20)
        assert torch.equal(x[:, :10], y[:, length + 10 :])
        assert (y[:, : length + 10] == 0).all()
        assert (x == 9).nonzero()[:, 1].eq(length + 9).all()


def test_all_eight_symbols_are_as_likely() -> None:
    """Codes 1 to 8, each an eighth."""
    x, _ = copying().draw(np.random.default_rng(0), 8000, 5)
    counts = torch.bincount(x[:, :10].flatten(), minlength=10) / 80_000
    torch.testing.assert_close(counts[1:9], torch.full((8,), 1 / 8), atol=5e-3, rtol=0)
    assert counts[0] == counts[9] == 0


@pytest.mark.parametrize(
    ("length", "published"), [(100, 0.1733), (200, 0.0945), (300, 0.0650), (500, 0.0400), (1000, 0.0204)]
)
def test_chance_is_the_loss_of_a_net_without_memory(length: int, published: float) -> None:
    """Blanks where blanks are due, then each of eight symbols alike: the figures that papers quote."""
    data = copying(length=length)
    assert data.describe().references["chance"] == pytest.approx(published, abs=5e-5)
    _, y = data.draw(np.random.default_rng(0), 20, length)
    z = torch.full((20, length + 20, 9), -1e9)
    z[:, : length + 10, 0] = z[:, length + 10 :, 1:] = 0
    assert data.describe().references["chance"] == pytest.approx(float(cross_entropy(z, y)), rel=1e-6)


def test_outputs_are_nine_or_ten_as_in_the_papers() -> None:
    """Arjovsky et al. have no output for the marker, Bai et al. have; both read ten tokens."""
    assert [copying(form=form).describe().targets.size for form in ("urnn", "tcn")] == [9, 10]
    assert [copying(form=form).describe().inputs.size for form in ("urnn", "tcn")] == [10, 10]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length": 0}, r"data\.length=0: expected at least 1\."),
        ({"symbols": 0}, r"data\.symbols=0: expected at least 1\."),
        ({"form": "ntm"}, r"data\.form=ntm: expected urnn or tcn\."),
    ],
)
def test_what_cannot_be_copied_is_refused(changes: dict[str, object], message: str) -> None:
    """With the key that is to be mended."""
    with pytest.raises(DataError, match=message):
        copying(**changes)
