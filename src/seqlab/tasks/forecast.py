"""Forecast the next value of a series."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from seqlab.data.base import Batch
from seqlab.spec import Reals
from seqlab.tasks.base import Measures, SequenceTask

SHOWN = 5
"""How many forecasts a sample shows."""


class Forecast(SequenceTask):
    """Squared error of the scaled forecast; reported in the data's own unit, with how often the direction is right."""

    answers = (Reals,)

    def loss(self, batch: Batch, split: str) -> Tensor:
        """The mean squared error of scaled values."""
        x, y = batch
        return F.mse_loss(self.run_model(x, split), y)

    def measure(self, batch: Batch, split: str) -> Measures:
        """Squared and absolute error in the data's unit, and the share of forecasts of the right sign."""
        x, y = batch
        forecast = self.run_model(x, split)
        truth, said = self._unscaled(y), self._unscaled(forecast)
        means = {
            "loss": F.mse_loss(forecast, y),
            "mse": F.mse_loss(said, truth),
            "mae": F.l1_loss(said, truth),
            "directional_accuracy": (said.sign() == truth.sign()).float().mean(),
        }
        return {name: (mean, y.numel()) for name, mean in means.items()}

    def derive(self, means: Mapping[str, float]) -> dict[str, float]:
        """The root of the mean squared error."""
        return {"rmse": math.sqrt(means["mse"])}

    def samples(self, batch: Batch) -> list[dict[str, str]]:
        """The first forecasts beside what came."""
        x, y = batch[0][:SHOWN], batch[1][:SHOWN]
        truth, said = self._unscaled(y).flatten().tolist(), self._unscaled(self.model(x)[0]).flatten().tolist()
        return [{"forecast": f"{a:+.5f}", "came": f"{b:+.5f}"} for a, b in zip(said, truth, strict=True)]

    def _unscaled(self, values: Tensor) -> Tensor:
        assert isinstance(self.spec.targets, Reals)
        return self.spec.targets.offset + self.spec.targets.scale * values
