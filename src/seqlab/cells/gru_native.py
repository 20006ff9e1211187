"""PyTorch's gated recurrent unit with its loops over time in C (``cells.gated``)."""

from __future__ import annotations

from torch import nn

from seqlab.cells.gated.layers import Layers


class NativeGRU(Layers, nn.GRU):  # type: ignore[misc]
    """``nn.GRU``, batch first: its parameters, its state and its numbers, in less time.

    Args:
        input_size: K.
        hidden_size: H.
        num_layers: how many layers, each reading the one below.
        dropout: the share of a layer's outputs that is dropped on the way to the next layer, while training.
        bias: whether there are biases.

    Raises:
        ValueError: ``nn.GRU`` refuses its arguments.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0, bias: bool = True):
        super().__init__(input_size, hidden_size, num_layers, bias=bias, dropout=dropout, batch_first=True)
