"""The two-sequence problem: a class that only the first few steps tell, and then much noise on the same line."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from seqlab.data.base import Batch, GeneratedData, one_of
from seqlab.errors import DataError
from seqlab.spec import Criterion, DataSpec, Metric, Reals, within

VARIANCE = 0.2
"""Of the noise on the input line."""


class Variant(NamedTuple):
    """What sets a variant apart.

    Attributes:
        targets: of class 1 and of class 2.
        tolerance: how far the output of a right answer may be from its target.
        criteria: when the task is solved.
        noisy_signal: whether the steps that tell the class are noisy too.
        target_variance: of the noise on the targets of training.
    """

    targets: tuple[float, float]
    tolerance: float
    criteria: tuple[Criterion, ...]
    noisy_signal: bool = False
    target_variance: float = 0.0


VARIANTS = {
    "a": Variant((1.0, 0.0), 0.2, (Criterion("st1", wrong=0), Criterion("st2", wrong=0, error=0.01))),
    "b": Variant(
        (1.0, 0.0), 0.2, (Criterion("st1", wrong=5), Criterion("st2", wrong=5, error=0.04)), noisy_signal=True
    ),
    "c": Variant((0.2, 0.8), 0.1, (Criterion("stop", wrong=0, error=0.015),), target_variance=0.1),
}


class TwoSequence(GeneratedData):
    """Experiment 3 of Hochreiter & Schmidhuber (1997), after Bengio, Simard & Frasconi (1994).

    The first N inputs are 1 for class 1 and −1 for class 2, which are as likely; all others are drawn from N(0, 0.2).
    The length is any of T … T + T/10, and the class is asked for at the end::

        1.0  1.0  1.0  0.3 -0.5  0.1 …  →  class 1

    Variant b adds N(0, 0.2) to the first N inputs too; c adds N(0, 0.1) to the targets of training, whose means must be
    learned. What counts as right, and when the task is solved by the validation set, of 256 sequences in the paper::

           targets   right       solved
        a  1, 0      within 0.2  st1: none is wrong; st2: and the mean error is below 0.01
        b  1, 0      within 0.2  st1: fewer than 6 are wrong; st2: and the mean error is below 0.04
        c  0.2, 0.8  within 0.1  stop: none is wrong, and the mean error is below 0.015

    To guess one class is wrong in half of the sequences. In variant b the sign of the sum of the first N inputs is the
    best answer that there is, and wrong in Φ(−√(N/0.2)) of them.

    Args:
        variant: ``"a"``, ``"b"`` or ``"c"``.
        length: T.
        information: N.
        sizes: as ``GeneratedData`` has them.

    Raises:
        DataError: another variant, or more informative steps than steps.
    """

    spread = 10

    def __init__(self, variant: str, length: int, information: int, **sizes: int):
        super().__init__(**sizes)
        self.variant = VARIANTS[one_of("data.variant", variant, VARIANTS)]
        if not 1 <= information <= length:
            raise DataError(f"data.information={information}: expected 1 to {length} steps, which is data.length.")
        self.length, self.information = length, information

    def describe(self) -> DataSpec:
        """One real in, one real out at the last step."""
        hidden = math.erfc(math.sqrt(self.information / VARIANCE / 2)) / 2 if self.variant.noisy_signal else 0.0
        return DataSpec(
            inputs=Reals(1),
            targets=Reals(1),
            loss_at="last",
            metric=Metric("wrong", "min", "share of sequences"),
            references={"chance": 0.5, "best": hidden},
            right=within(self.variant.tolerance),
            criteria=self.variant.criteria,
        )

    def draw(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """Inputs (size, length, 1) and targets (size, 1), which are free of noise."""
        second = rng.integers(0, 2, size)
        x = rng.normal(0, math.sqrt(VARIANCE), (size, length))
        x[:, : self.information] *= self.variant.noisy_signal
        x[:, : self.information] += np.where(second, -1, 1)[:, None]
        target = np.asarray(self.variant.targets)[second]
        return torch.from_numpy(x[..., None]).float(), torch.from_numpy(target[:, None]).float()

    def draw_to_learn(self, rng: np.random.Generator, size: int, length: int) -> Batch:
        """The same with noisy targets, in variant c."""
        x, target = self.draw(rng, size, length)
        noise = rng.normal(0, math.sqrt(self.variant.target_variance), target.shape)
        return x, target + torch.from_numpy(noise).float()
