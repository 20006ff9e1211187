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
        x, y = batch
        return F.mse_loss(self.run_model(x, split), y)

    def measure(self, batch: Batch, split: str) -> Measures:
        """The mean squared error, over all targets."""
        loss = self.loss(batch, split), batch[1].numel()
        return {"loss": loss, "mse": loss}
