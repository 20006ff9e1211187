"""Answer with logistic outputs, as the experiments of 1997 did, until their criterion is met."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from seqlab.data.base import Batch
from seqlab.spec import IGNORE, Classes, Reals, Tokens
from seqlab.tasks.base import Measures, SequenceTask


class LeastSquares(SequenceTask):
    """Half the squared error of logistic outputs, summed over a sequence (Hochreiter & Schmidhuber 1997).

    Symbols and classes are one-hot targets. A sequence is right or wrong as the data say; training ends when their
    criteria are met.
    """

    answers = (Reals, Tokens, Classes)
    positions = ("every", "last", "masked")

    def loss(self, batch: Batch, split: str) -> Tensor:
        """½ Σ (ŷ − y)² over the outputs and steps of a sequence, mean over the batch."""
        loss, right, errors = self._answer(batch, split)
        if split == "train":
            self.success.trained(right.tolist(), errors.tolist())
        return loss

    def measure(self, batch: Batch, split: str) -> Measures:
        """The loss, the mean absolute error of an output, and the share of sequences that are wrong."""
        loss, right, errors = self._answer(batch, split)
        means = {"loss": loss, "error": errors.mean(), "wrong": 1 - right.float().mean()}
        return {name: (mean, len(right)) for name, mean in means.items()}

    def _answer(self, batch: Batch, split: str) -> tuple[Tensor, Tensor, Tensor]:
        """The loss; and for each sequence whether it is right, and its mean absolute error."""
        x, y = batch
        outputs, wanted = self.run_model(x, split).sigmoid(), self._vectors(y)
        with torch.no_grad():
            error = (outputs - wanted).abs()
            right = self.spec.right(x, outputs, wanted) if self.spec.right else ~(error >= 0.5).flatten(1).any(1)
            errors = error.flatten(1).nanmean(1)
        missed = torch.where(wanted.isnan(), 0, outputs - wanted)
        return missed.square().sum() / (2 * len(x)), right, errors

    def _vectors(self, y: Tensor) -> Tensor:
        """Targets as what the outputs should be; NaN where none is asked for."""
        if y.is_floating_point():
            return y
        counts = (y != IGNORE)[..., None]
        return F.one_hot(y.clamp(min=0), self.spec.targets.size).float().where(counts, math.nan)
