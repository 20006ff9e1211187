"""Answer with logistic outputs, as the experiments of 1997 did, until their criterion is met."""

from __future__ import annotations

import torch
from torch import Tensor

from seqlab.data.base import Batch
from seqlab.spec import Classes, Reals, Tokens
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
        return self.measure(batch, split)["loss"][0]

    def share(self, batch: Batch) -> float:
        """One: the loss is a mean over sequences, and all processes have as many, however long these are."""
        return 1.0

    def measure(self, batch: Batch, split: str) -> Measures:
        """The loss; and, where the data say what is right, the mean absolute error and the share of wrong sequences."""
        x, y = batch
        outputs, wanted = self.run_model(x, split).sigmoid(), self.vectors(y)
        missed = torch.where(wanted.isnan(), 0, outputs - wanted)
        return {"loss": (missed.square().sum() / (2 * len(x)), len(x)), **self.judge(batch, outputs, split)}
