"""PyTorch's long short-term memory with its loops over time in C (``cells.gated``)."""

from __future__ import annotations

from torch import nn

from seqlab.cells.gated.layers import Layers
from seqlab.cells.lstm import start


class NativeLSTM(Layers, nn.LSTM):  # type: ignore[misc]
    """``nn.LSTM``, batch first: its parameters, its state and its numbers, in less time.

    Args:
        input_size: K.
        hidden_size: H.
        num_layers: how many layers, each reading the one below.
        dropout: the share of a layer's outputs that is dropped on the way to the next layer, while training.
        bias: whether there are biases.
        forget_bias: as ``cells.lstm.start`` has it.
        chrono: as ``cells.lstm.start`` has it.

    Raises:
        ValueError: a start that cannot be, or ``nn.LSTM`` refuses its arguments.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        bias: bool = True,
        forget_bias: float | None = None,
        chrono: float | None = None,
    ):
        super().__init__(input_size, hidden_size, num_layers, bias=bias, dropout=dropout, batch_first=True)
        start(self, forget_bias, chrono)
