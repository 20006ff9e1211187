"""PyTorch's long short-term memory, with a say in how it starts."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def lstm(input_size: int, hidden_size: int, forget_bias: float | None = None, **options: Any) -> nn.LSTM:
    """PyTorch's own ``nn.LSTM``, batch first; only its initial biases may differ.

    An LSTM remembers over about 1/(1 − σ(b)) steps before it has learned anything, where b is its forget gates' bias.
    PyTorch draws b near 0, a memory of two steps; b = 1 is the usual cure (Gers, Schmidhuber & Cummins 2000;
    Jozefowicz, Zaremba & Sutskever 2015).

    Args:
        input_size: the size of an input vector.
        hidden_size: H.
        forget_bias: the sum of the two forget-gate biases at the start; ``None`` leaves PyTorch's initialisation.
        options: as ``nn.LSTM`` has them: ``num_layers``, ``dropout``, ``bias``.

    Raises:
        ValueError: a forget bias is asked for where there are no biases, or ``nn.LSTM`` refuses its arguments.
    """
    cell = nn.LSTM(input_size, hidden_size, batch_first=True, **options)
    if forget_bias is not None:
        if not cell.bias:
            raise ValueError("forget_bias needs bias=true; set forget_bias=null to do without biases")
        forget = slice(hidden_size, 2 * hidden_size)  # the gates lie in the order i, f, g, o
        with torch.no_grad():
            for layer in range(cell.num_layers):
                getattr(cell, f"bias_ih_l{layer}")[forget] = forget_bias
                getattr(cell, f"bias_hh_l{layer}")[forget] = 0
    return cell
