"""The vanilla recurrent network of Elman (1990), with backpropagation through time written by hand (``cells.bptt``)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seqlab.cells import bptt
from seqlab.cells.base import Engine


class Layer(nn.Module):
    """One recurrent layer: the letters of the equations as parameters, drawn from U(−1/√H, 1/√H) as ``nn.RNN`` does.

    The columns of W lie each in one piece, so that W x_t for a token is read and not gathered.
    """

    stacks = True  # as seqlab.nets has it

    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str, bias: bool, engine: str):
        super().__init__()
        bound = 1 / math.sqrt(hidden_size)
        W = torch.empty(hidden_size, input_size).uniform_(-bound, bound)
        self.W = nn.Parameter(W.T.contiguous().T)
        self.U = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound)) if bias else None
        self.relu, self.engine = nonlinearity == "relu", engine
        self.reach = bptt.Reach()

    def forward(self, x: Tensor, h_0: Tensor) -> Tensor:
        """Hidden states (T, B, H) for x (T, B, K) or token ids (T, B), and h_0 (B, H)."""
        return bptt.hidden_states(x, self.W, self.U, self.b, h_0, self.relu, self.engine)

    def last(self, x: Tensor, h_0: Tensor) -> Tensor:
        """The last of them alone (B, H)."""
        return bptt.last_state(x, self.W, self.U, self.b, h_0, self.relu, self.engine, self.reach)


class VanillaRNN(nn.Module):
    """A stack of recurrent layers with hand-written BPTT; equal to ``nn.RNN`` with the same weights.

    Args:
        input_size: K.
        hidden_size: H.
        num_layers: how many layers, each reading the one below.
        dropout: the share of a layer's outputs that is dropped on the way to the next layer, while training.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether s_t has a bias b.
        engine: how it is computed, as ``bptt.ENGINES`` has it.

    Raises:
        ValueError: a size below one, a share outside [0, 1), another nonlinearity or engine.
    """

    takes_tokens = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        nonlinearity: str = "tanh",
        bias: bool = False,
        engine: str = "auto",
    ):
        super().__init__()
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(f"sizes must be at least 1, got {input_size=}, {hidden_size=}, {num_layers=}")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be tanh or relu, got '{nonlinearity}'")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        if engine not in bptt.ENGINES:
            raise ValueError(f"engine must be {' or '.join(bptt.ENGINES)}, got '{engine}'")
        self.hidden_size = hidden_size
        self.dropout = dropout
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers: Any = nn.ModuleList(Layer(size, hidden_size, nonlinearity, bias, engine) for size in sizes)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hidden states of the top layer (B, T, H), and the last state of every layer (num_layers, B, H).

        Args:
            x: reals (B, T, K), or token ids (B, T).
            state: the states before the first step (num_layers, B, H); zero if not given.
        """
        h, below = self._below(x, state := self._begun(x, state))
        h = self.layers[-1](h, state[-1])
        return h.transpose(0, 1), torch.stack([*below, h[-1]])

    def last(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The last hidden state of the top layer alone (B, H), and the last state of every layer.

        It costs less than to take it from ``forward``: no gradient comes from above at the other steps.
        """
        h, below = self._below(x, state := self._begun(x, state))
        h_T = self.layers[-1].last(h, state[-1])
        return h_T, torch.stack([*below, h_T])

    @property
    def reach(self) -> int | None:
        """Through how many steps the last gradient came that went back from a last state alone; ``None`` before."""
        return self.layers[-1].reach.steps

    def engine_for(self, like: Tensor) -> Engine:
        """What computes it where numbers are of the type and on the device of ``like``."""
        return bptt.chosen(self.layers[0].engine, like)

    def _begun(self, x: Tensor, state: Tensor | None) -> Tensor:
        """The states before the first step."""
        if state is not None:
            return state
        return self.layers[0].U.new_zeros(len(self.layers), x.shape[0], self.hidden_size)

    def _below(self, x: Tensor, state: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What the top layer reads, time-major, and the last state of each layer below it."""
        h, last = x.transpose(0, 1), []
        for layer, h_0 in zip(self.layers[:-1], state[:-1], strict=True):
            h = layer(h, h_0)
            last.append(h[-1])
            h = F.dropout(h, self.dropout, self.training)
        return h, last

    @torch.no_grad()
    def jacobian(self, x: Tensor, state: Tensor) -> Tensor:
        """What a step makes of a small change of the state before it, ∂h_t/∂h_{t−1} (B, L H, L H), all L layers in one.

        Of a single layer it is diag(1 − h_t²) U. A layer above also feels, through its W, what the one below does.

        Args:
            x: the step's input, (B, 1, K) or (B, 1).
            state: h_{t−1} (L, B, H).
        """
        (L, B, H), (_, after) = state.shape, self(x, state)
        rows: list[Tensor] = []
        for depth, (layer, h) in enumerate(zip(self.layers, after, strict=True)):
            ds = layer.U.new_zeros(B, H, L * H)  # ∂s_t/∂h_{t−1} of this layer
            ds[..., depth * H : (depth + 1) * H] = layer.U
            if rows:
                ds += layer.W @ rows[-1]
            slope = (h > 0).to(h.dtype) if layer.relu else 1 - h**2
            rows.append(slope[..., None] * ds)
        return torch.cat(rows, dim=1)
