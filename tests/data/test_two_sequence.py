"""The two-sequence problem is the published one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from seqlab.data.base import SequenceData
from seqlab.data.two_sequence import TwoSequence
from seqlab.errors import DataError
from seqlab.testing import DataTests


def two_sequence(variant: str = "a", length: int = 100, information: int = 3, **changes: int) -> TwoSequence:
    sizes = {"batch_size": 4, "train_size": 16, "val_size": 12, "test_size": 16, "seed": 1, **changes}
    return TwoSequence(variant, length, information, **sizes)


class TestTwoSequence(DataTests):
    def make(self) -> SequenceData:
        return two_sequence(length=20)


class TestNoisyTargets(DataTests):
    def make(self) -> SequenceData:
        return two_sequence("c", 20)


@pytest.mark.parametrize(("variant", "targets"), [("a", (1, 0)), ("b", (1, 0)), ("c", (0.2, 0.8))])
def test_the_first_steps_tell_the_class_and_the_rest_is_noise(variant: str, targets: tuple[float, float]) -> None:
    """±1 for N steps (noisy in b), then N(0, 0.2); classes 1 and 2 are as likely."""
    x, y = two_sequence(variant).draw(np.random.default_rng(0), 4000, 110)
    signal, noise = x[:, :3, 0], x[:, 3:, 0]
    first = y[:, 0] == torch.tensor(targets[0], dtype=torch.float32)
    assert set(y[:, 0].tolist()) == set(torch.tensor(targets, dtype=torch.float32).tolist())
    assert first.float().mean().item() == pytest.approx(0.5, abs=0.03)
    deviation = signal - torch.where(first, 1.0, -1.0)[:, None]
    assert deviation.var().item() == pytest.approx(0.2 if variant == "b" else 0, abs=0.01)
    assert noise.mean().item() == pytest.approx(0, abs=0.005)
    assert noise.var().item() == pytest.approx(0.2, abs=0.005)


def test_only_training_targets_are_noisy_and_only_in_variant_c() -> None:
    """N(0, 0.1) around 0.2 and 0.8 while learning; judged against the clean ones."""
    data = two_sequence("c", batch_size=400, train_size=4000, val_size=400, test_size=400)
    data.setup()
    for split in ("val", "test"):
        targets = torch.cat([y for _, y in data.loader(split)])
        assert targets.unique().tolist() == pytest.approx([0.2, 0.8])
    x, y = (torch.cat(part) for part in zip(*((x[:, 0], y) for x, y in data.loader("train")), strict=True))
    noise = y - torch.where(x == 1, 0.2, 0.8)
    assert noise.mean().item() == pytest.approx(0, abs=0.02)
    assert noise.var().item() == pytest.approx(0.1, abs=0.01)
    data = two_sequence("b")
    clean, learned = (draw(np.random.default_rng(0), 9, 100) for draw in (data.draw, data.draw_to_learn))
    assert torch.equal(clean[1], learned[1])


def test_what_nobody_can_know_is_the_floor_of_variant_b() -> None:
    """The sign of the sum of the N noisy steps is wrong in Φ(−√(N/0.2)): 1.27 % for N = 1; the paper found 1.5 %."""
    data = two_sequence("b", information=1)
    data.setup()
    x, y = data.draw(np.random.default_rng(0), 100_000, 2)
    wrong = ((x[:, 0, 0] > 0) != (y[:, 0] == 1)).float().mean().item()
    assert data.spec.references == pytest.approx({"chance": 0.5, "best": wrong}, abs=2e-3)
    assert two_sequence("b").describe().references["best"] == pytest.approx(5.4e-5, rel=0.01)
    assert two_sequence("a").describe().references["best"] == 0


def test_criteria_are_the_papers() -> None:
    """How many of 256 may be wrong, how large the error may be, and what is right."""
    found = {v: [(c.name, c.last, c.wrong, c.error) for c in two_sequence(v).describe().criteria] for v in "abc"}
    assert found == {
        "a": [("st1", None, 0, math.inf), ("st2", None, 0, 0.01)],
        "b": [("st1", None, 5, math.inf), ("st2", None, 5, 0.04)],
        "c": [("stop", None, 0, 0.015)],
    }
    outputs, targets = torch.tensor([[0.81], [0.85]]), torch.tensor([[1.0], [1.0]])
    assert two_sequence("a").describe().right(None, outputs, targets).tolist() == [True, True]
    assert two_sequence("c").describe().right(None, outputs, targets - 0.26).tolist() == [True, False]


def test_what_cannot_be_is_refused() -> None:
    """As many informative steps as there are steps, and one of three variants."""
    with pytest.raises(DataError, match=r"data\.information=21: expected 1 to 20 steps"):
        two_sequence(length=20, information=21)
    with pytest.raises(DataError, match=r"data\.variant=d: expected a or b or c"):
        two_sequence("d")
