"""PyTorch's long short-term memory, with a say in how it starts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

INPUT, FORGET = 0, 1
"""The first two of the gates i, f, g, o."""


def lstm(
    input_size: int, hidden_size: int, forget_bias: float | None = None, chrono: float | None = None, **options: Any
) -> nn.LSTM:
    """PyTorch's own ``nn.LSTM``, batch first; only its initial biases may differ.

    Args:
        input_size: the size of an input vector.
        hidden_size: H.
        forget_bias: as ``start`` has it.
        chrono: as ``start`` has it.
        options: as ``nn.LSTM`` has them: ``num_layers``, ``dropout``, ``bias``.

    Raises:
        ValueError: a start that cannot be, or ``nn.LSTM`` refuses its arguments.
    """
    cell = nn.LSTM(input_size, hidden_size, batch_first=True, **options)
    start(cell, forget_bias, chrono)
    return cell


def start(cell: nn.LSTM, forget_bias: float | None, chrono: float | None) -> None:
    """Sets the biases of the gates that say for how long an LSTM remembers.

    An LSTM remembers over about 1/(1 − σ(b)) steps before it has learned anything, where b is its forget gates' bias.
    PyTorch draws b near 0, a memory of two steps; b = 1 is the usual cure (Gers, Schmidhuber & Cummins 2000;
    Jozefowicz, Zaremba & Sutskever 2015). Chrono initialisation spreads the memories of the units up to T steps:
    b = log u with u from U(1, T − 1), and −b for the input gates (Tallec & Ollivier 2018).

    Args:
        cell: whose biases they are.
        forget_bias: the sum of the two forget-gate biases at the start; ``None`` leaves PyTorch's initialisation.
        chrono: T, the longest memory that is expected to be needed, in steps; takes the place of ``forget_bias``.

    Raises:
        ValueError: a start is asked for where there are no biases, or a T below 2.
    """
    if not cell.bias and not (forget_bias is None and chrono is None):
        raise ValueError("forget_bias and chrono need bias=true; set both to null to do without biases")
    if chrono is not None and chrono < 2:
        raise ValueError(f"chrono={chrono} is too short a memory; expected at least 2 steps")
    for layer in range(cell.num_layers):
        if chrono is not None:
            b = torch.empty(cell.hidden_size).uniform_(1, chrono - 1).log_()
            _start(cell, layer, FORGET, b)
            _start(cell, layer, INPUT, -b)
        elif forget_bias is not None:
            _start(cell, layer, FORGET, torch.full((cell.hidden_size,), forget_bias))


def _start(cell: nn.LSTM, layer: int, gate: int, b: Tensor) -> None:
    """Sets the sum of the two biases of a gate."""
    of_gate = slice(gate * cell.hidden_size, (gate + 1) * cell.hidden_size)
    with torch.no_grad():
        getattr(cell, f"bias_ih_l{layer}")[of_gate] = b
        getattr(cell, f"bias_hh_l{layer}")[of_gate] = 0
