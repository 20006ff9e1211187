"""How far back errors flow while a model learns, and how large its gradients are."""

from __future__ import annotations

import logging
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from seqlab import lines
from seqlab.errors import SeqlabError
from seqlab.figures.flow import Curves, draw
from seqlab.ledger import NAMES
from seqlab.models.flow import Flow, horizon, measure
from seqlab.models.steps import cells
from seqlab.strides import Overlooking

log = logging.getLogger(__name__)

SEQUENCES = 32
"""On how many sequences it is measured, at most."""

ROOM = 2**25
"""How many numbers their states may be, over all steps: 128 MB of them in single precision."""


class GradientFlow(Overlooking):
    """Measures the flow of errors through time at the start of training, after every few validations, and at its end.

    Each time it appends a line to ``gradients.jsonl``, and tells all loggers the numbers, and those that take figures a
    figure. Sequences of the first validation batch, which is always the same, are what it is measured on. Nothing else
    of the run is changed by it. The norm of the gradient, before and after clipping, is told with the training loss,
    and so is its reach, where a cell knows it: through how many steps it came before it was zero, to the last bit.

    Args:
        folder: the run folder.
        reached: the step that the run goes on from; what an earlier try wrote beyond it is made again.
        cell: the name of its cell.
        state_size: how many numbers the cell remembers of a sequence.
        every: after how many validations it is measured again.

    Raises:
        ValueError: a number of validations below one.
    """

    def __init__(self, folder: str | Path, cell: str, state_size: int, reached: int = 0, every: int = 5):
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        self.file, self.cell, self.state_size = Path(folder) / NAMES["gradients"], cell, state_size
        self.reached, self.every, self.validations = reached, every, 0
        self.lines: list[dict[str, Any]] = []
        self.measurable, self.telling = True, False

    def state_dict(self) -> dict[str, Any]:
        """How many validations there were."""
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on counting."""
        self.validations = state_dict["validations"]

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Takes away what is made again."""
        if trainer.is_global_zero:
            lines.rewind(self.file, self.reached)
            self.lines = lines.read(self.file)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Measures before anything is learned."""
        if not self.lines:
            self._measure(trainer, pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Measures every so often."""
        self.validations += not trainer.sanity_checking
        if not trainer.sanity_checking and self.validations % self.every == 0:
            self._measure(trainer, pl_module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Measures what was learned, unless that has just been done."""
        if not self.lines or self.lines[-1]["step"] < trainer.global_step:
            self._measure(trainer, pl_module)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        """Tells the norm of the gradient before it is clipped, on the steps that are logged."""
        self.telling = (trainer.global_step + 1) % pl_module.log_every == 0 and not pl_module.own
        if self.telling:
            pl_module.log("gradient/norm", _norm(pl_module))
            reaches = [reach for _, cell in cells(pl_module) if (reach := getattr(cell, "reach", None)) is not None]
            if reaches:
                pl_module.log("gradient/reach", float(max(reaches)))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        """And after: it lies there until the next batch."""
        if self.telling:
            pl_module.log("gradient/norm_clipped", _norm(pl_module))
        self.telling = False

    def _measure(self, trainer: Any, task: Any) -> None:
        if not trainer.is_global_zero or not self.measurable:
            return
        try:
            flow = self._flow(trainer, task)
        except SeqlabError:  # somebody asked to stop
            raise
        except Exception as error:  # whatever else it is, no run is lost because it cannot be looked at
            log.warning("How far back errors flow cannot be measured (%s); going on without.", error)
            flow = None
        self.measurable = flow is not None
        if flow:
            self._tell({"step": trainer.global_step, "horizon": horizon(flow.flow), **_plain(vars(flow))}, trainer)

    def _flow(self, trainer: Any, task: Any) -> Flow | None:
        with torch.inference_mode(False):  # what is made in an evaluation has no gradient
            batch = trainer.precision_plugin.convert_input(trainer.datamodule.batches("val")[0])
            batch = task.transfer_batch_to_device(batch, task.device, 0)
        n = min(SEQUENCES, ROOM // (batch[0].shape[1] * self.state_size))
        carried, task.carried = task.carried, {}
        try:
            return measure(task.model, lambda rows: task.loss(rows, "val"), batch, task.spec, n) if n else None
        finally:
            task.carried = carried

    def _tell(self, line: dict[str, Any], trainer: Any) -> None:
        self.lines.append(line)
        lines.append(self.file, [line])
        step = max(line["step"] - 1, 0)  # as Lightning counts them where it logs a validation
        for logger in trainer.loggers:
            logger.log_metrics({"epoch": trainer.current_epoch, **scalars(line)}, step)
            if hasattr(logger, "log_figure"):
                logger.log_figure("gradient/flow", draw([Curves(self.cell, self.cell, self.lines[:1], [line])]))


def scalars(line: dict[str, Any]) -> dict[str, float]:
    """What is told of a measurement as numbers.

    A horizon that is beyond the longest lag is not a horizon: the longest lag is told as ``gradient/horizon_above``.
    """
    told: dict[str, float] = {}
    if line["horizon"] is not None:
        told["gradient/horizon"] = line["horizon"]
    elif line["flow"][0]:
        told["gradient/horizon_above"] = len(line["flow"]) - 1
    radii = [radius for of_matrix in line["radius"].values() for radius in of_matrix]
    if radii:
        told["gradient/spectral_radius"] = max(radii)
    return told | {f"gradient/saturated_{gate}": sum(shares) for gate, shares in line["saturation"].items()}


def _plain(value: Any) -> Any:
    """As JSON has it: floats to six digits, and none that is infinite or not a number."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _norm(task: Any) -> Tensor:
    return get_total_norm([parameter.grad for parameter in task.parameters() if parameter.grad is not None])
