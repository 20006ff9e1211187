"""A hidden Markov model of the text itself: its beliefs are read out by its own emissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from seqlab.cells.base import MakeCell
from seqlab.cells.hmm import HMM, log_mixture
from seqlab.errors import ConfigError
from seqlab.models.baum_welch import ExpectationMaximisation
from seqlab.spec import DataSpec, Tokens

if TYPE_CHECKING:
    import pandas as pd


class HiddenMarkovModel(nn.Module):
    """z_t = log p(x_{t+1} | x_1 … x_t), so that the cross-entropy of a language model is the exact likelihood.

    Args:
        spec: the data's kinds and sizes.
        cell: builds an ``HMM`` for K symbols.
        training: ``"em"`` for Baum–Welch, or ``"gradient"`` for the task's loss and the chosen optimizer.
        smoothing: of Baum–Welch; see there.

    Raises:
        ConfigError: the data does not ask for the next symbol at every step, or the cell is another one.
        ValueError: another way of training.
    """

    def __init__(self, spec: DataSpec, cell: MakeCell, training: str = "em", smoothing: float = 0.0):
        super().__init__()
        if not isinstance(spec.inputs, Tokens):
            raise ConfigError("cell=hmm reads tokens; the inputs are real-valued. Take data=text, or another cell.")
        if spec.loss_at != "every" or spec.inputs != spec.targets:
            raise ConfigError(
                "cell=hmm predicts the next token at every step; the data asks for something else. Take data=text, or "
                "have its beliefs read out like any cell's: model=sequence, or model=encoder_decoder for a translation."
            )
        if training not in ("em", "gradient"):
            raise ValueError(f"training must be em or gradient, got '{training}'")
        made = cell(spec.inputs.size)
        if not isinstance(made, HMM):
            got = type(made).__name__
            raise ConfigError(f"model=hmm reads out cell=hmm alone, got {got}. Leave model to the task.")
        self.cell = made
        self.symbols = spec.inputs.symbols or tuple(map(str, range(spec.inputs.size)))
        self.own_training = ExpectationMaximisation(self.cell, smoothing) if training == "em" else None

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the next symbol (B, T, K), and the belief after the last step (B, n)."""
        h, state = self.cell(x, state)
        return log_mixture(h, self.cell.tables.emission), state

    @torch.no_grad()
    def tables(self) -> dict[str, pd.DataFrame]:
        """What was learned, as probabilities; the states in the order of how much of the time they take."""
        import pandas as pd

        start, transition, emission = (table.double().cpu().exp() for table in self.cell.tables)
        share = stationary(transition)
        order = share.argsort(descending=True)
        states = [f"{i} ({100 * share[q]:.1f} %)" for i, q in enumerate(order.tolist(), 1)]
        return {
            "start": pd.DataFrame(start[order][None].numpy(), ["start"], states),
            "transition": pd.DataFrame(transition[order][:, order].numpy(), states, states),
            "emission": pd.DataFrame(emission[order].numpy(), states, list(self.symbols)),
        }


def stationary(A: Tensor) -> Tensor:
    """The distribution π = πA that a chain with transitions A (n, n) settles in; the most even if it has several."""
    one = torch.eye(len(A) + 1, dtype=A.dtype)
    balance = torch.cat([A.T - one[:-1, :-1], A.new_ones(1, len(A))])  # π (A − 1) = 0 and Σ π = 1
    return torch.linalg.lstsq(balance, one[:, -1:]).solution[:, 0]
