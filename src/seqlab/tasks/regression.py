"""Answer a sequence with real numbers."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from seqlab.data.base import Batch
from seqlab.spec import Reals
from seqlab.tasks.base import Measures, SequenceTask


class Regression(SequenceTask):
    """Mean squared error."""

    answers = (Reals,)

    def loss(self, batch: Batch, split: str) -> Tensor:
        """The mean squared error, which is also the metric."""
        return self.measure(batch, split)["loss"][0]

    def measure(self, batch: Batch, split: str) -> Measures:
        """The mean squared error over all targets; and which answers are right, where the data say so."""
        x, y = batch
        outputs = self.run_model(x, split)
        loss = F.mse_loss(outputs, y), y.numel()
        return {"loss": loss, "mse": loss, **self.judge(batch, outputs, split)}
