"""A recurrent network of rectified linear units that starts by copying its state (Le, Jaitly & Hinton 2015)."""

from __future__ import annotations

from typing import Any

from torch import nn


def irnn(input_size: int, hidden_size: int, **options: Any) -> nn.RNN:
    """PyTorch's own ``nn.RNN`` with h_t = max(0, U h_{t−1} + W x_t + b), batch first, and a start of its own.

    U = I and b = 0, so that where nothing comes in, a state stays as it is, and so does its error on the way back;
    W is drawn from a Gaussian with standard deviation 0.001.

    Args:
        input_size: the size of an input vector.
        hidden_size: H.
        options: as ``nn.RNN`` has them: ``num_layers``, ``dropout``, ``bias``.

    Raises:
        ValueError: ``nn.RNN`` refuses its arguments.
    """
    cell = nn.RNN(input_size, hidden_size, nonlinearity="relu", batch_first=True, **options)
    for name, parameter in cell.named_parameters():
        if name.startswith("weight_ih"):
            nn.init.normal_(parameter, std=0.001)
        elif name.startswith("weight_hh"):
            nn.init.eye_(parameter)
        else:
            nn.init.zeros_(parameter)
    return cell
