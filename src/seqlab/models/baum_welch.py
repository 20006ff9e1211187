"""Training by Baum–Welch: expectation–maximisation, as an objective and an optimizer.

The expected counts of a hidden Markov model's events are the gradients of the log-likelihood with respect to the
logarithms of their probabilities (Eisner 2016)::

    ∂ log p(x) / ∂ log A_ij = Σ_t p(q_t = i, q_{t+1} = j | x)        and so for emissions and starts

So the E-step is a backward pass; the M-step, at the end of an epoch, divides each row of the counts by its sum (Baum,
Petrie, Soules & Weiss 1970). No learning rate, no schedule, no clipping.

Where a text is read in windows, each is explained given what was believed before it: Σ log p(window | all before it) is
the log-likelihood of the text, and each symbol is counted once (but for the last of a stream, which is only ever a
target). As truncated BPTT does, the counts look no further than their window: a state is judged by the symbols up to
the window's end, and the one transition into the next window is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from seqlab.cells.hmm import HMM, Tables, forward_algorithm


class BaumWelch(Optimizer):
    """Adds up expected counts, and at the end of an epoch makes tables of log-probabilities of them.

    A row that was never visited keeps its values.

    Args:
        tables: log-probabilities whose gradients are minus their expected counts; rows along the last dimension.
        smoothing: the share of a table's counts that is added to them, spread evenly over the whole table, so that
            what was never seen is not impossible: a Dirichlet prior.
        epoch_ends: whether this step is an epoch's last.

    Raises:
        ValueError: a share below zero.
    """

    def __init__(self, tables: Iterable[Tensor], smoothing: float, epoch_ends: Callable[[], bool]):
        if smoothing < 0:
            raise ValueError(f"smoothing must be at least 0, got {smoothing}")
        super().__init__(tables, {"smoothing": smoothing})
        self.epoch_ends = epoch_ends

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """The E-step of a batch and, at the end of an epoch, the M-step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ends = self.epoch_ends()
        for group in self.param_groups:
            for table in group["params"]:
                counts = self.state[table].setdefault("counts", torch.zeros_like(table))
                if table.grad is not None:
                    counts -= table.grad
                if ends:
                    table.copy_(_estimated(counts, table, group["smoothing"]))
                    counts.zero_()
        return loss


def _estimated(counts: Tensor, table: Tensor, smoothing: float) -> Tensor:
    """The log-probabilities under which smoothed counts are likeliest."""
    counts = counts.clamp(min=0)  # rounding can leave a little less than nothing
    counts = counts + smoothing * counts.mean()
    total = counts.sum(-1, keepdim=True)
    estimated = (counts / total).clamp(min=torch.finfo(counts.dtype).tiny).log()
    return estimated.where(total > 0, table)


class ExpectationMaximisation:
    """How a hidden Markov model is trained on the likelihood of its inputs.

    Args:
        cell: whose tables are learned; its parameters are their logarithms, and stay so.
        smoothing: as ``BaumWelch`` has it.
    """

    def __init__(self, cell: HMM, smoothing: float):
        self.cell, self.smoothing = cell, smoothing

    def objective(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Nats per symbol of x given what was believed before, and what is believed after (B, n)."""
        parameters = self.cell.start, self.cell.transition, self.cell.emission
        h, c = forward_algorithm(Tables(*(_summed(table, x.numel()) for table in parameters)), x, state)
        return -c.mean(), h[:, -1]

    def optimizer(self, epoch_ends: Callable[[], bool]) -> BaumWelch:
        """An optimizer that learns from the gradients of the objective."""
        return BaumWelch(self.cell.parameters(), self.smoothing, epoch_ends)


def _summed(table: Tensor, n: int) -> Tensor:
    """The table, whose gradient will be that of a sum over n symbols where the loss is a mean: a count, not a share."""
    table = table.view_as(table)
    if table.requires_grad:
        table.register_hook(lambda gradient: gradient * n)
    return table
