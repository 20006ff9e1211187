"""Means are over positions, whichever batch and process these were in."""

from __future__ import annotations

import math

import pytest
import torch

from seqlab.tasks import means
from seqlab.tasks.means import Mean, Means


def means_of(**parts: list[tuple[float, int]]) -> Means[str]:
    grown = Means[str]()
    for name, batches in parts.items():
        for mean, n in batches:
            grown.add(name, torch.tensor(mean), n)
    return grown


def test_a_batch_weighs_as_many_positions_as_it_has() -> None:
    """Nothing where it has none, whose mean is no number."""
    together = means_of(loss=[(1.0, 3), (math.nan, 0), (5.0, 1)]).of_all()
    assert together == {"loss": Mean(8.0, 4)}
    assert together["loss"].value == 2.0


def test_a_mean_that_is_no_number_is_not_left_out() -> None:
    """A diverged batch shows; and so does a mean over nothing."""
    together = means_of(loss=[(1.0, 3), (math.nan, 2)], accuracy=[(math.nan, 0)]).of_all()
    assert math.isnan(together["loss"].value)
    assert math.isnan(together["accuracy"].value)


def test_a_process_may_lack_what_others_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """It still knows the means of all."""
    others = means_of(loss=[(2.0, 1)], accuracy=[(0.5, 4)]).of_all()
    monkeypatch.setattr(means, "of_all", lambda mine: [mine, others])
    together = means_of(loss=[(4.0, 3)]).of_all()
    assert {name: mean.value for name, mean in together.items()} == {"loss": 3.5, "accuracy": 0.5}
