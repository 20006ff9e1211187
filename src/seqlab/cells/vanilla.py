"""The vanilla recurrent network of Elman (1990), with backpropagation through time written by hand.

A hidden state looks at the new input and at its own past, and is squashed::

    (1) s_t = U h_{t−1} + W x_t (+ b)        (2) h_t = tanh(s_t)

Backwards, what a hidden state owes to the loss is what the readout says about it, plus what all later steps say, which
arrives through U::

    dh_t = (from above) + Uᵀ ds_{t+1}        ds_t = (1 − h_t²) ⊙ dh_t

    ∂E/∂U = Σ_t ds_t h_{t−1}ᵀ    ∂E/∂W = Σ_t ds_t x_tᵀ    ∂E/∂b = Σ_t ds_t    ∂E/∂x_t = Wᵀ ds_t    ∂E/∂h_0 = Uᵀ ds_1

In the code a sequence is time-major and a state is a row, so U h becomes ``h @ U.T``; ``dq`` is ∂E/∂q (Werbos 1990).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


class BPTT(torch.autograd.Function):
    """h_1 … h_T from x_1 … x_T and h_0, and all gradients by hand. Differentiable once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, U: Tensor, b: Tensor | None, h_0: Tensor, relu: bool) -> Tensor:
        """Hidden states (T, B, H).

        Args:
            ctx: keeps what the backward pass needs.
            x: inputs, (T, B, K) reals or (T, B) token ids.
            W: input weights (H, K).
            U: recurrent weights (H, H).
            b: bias (H,), or none.
            h_0: the state before the first step (B, H).
            relu: max(0, s) in place of tanh(s).
        """
        Wx = F.embedding(x, W.T) if x.dtype == torch.int64 else x @ W.T  # (T, B, H)
        h = torch.empty(len(x) + 1, *h_0.shape, dtype=W.dtype, device=W.device)  # h[t] is h_t
        h[0] = h_0
        torch.add(Wx, 0.0 if b is None else b, out=h[1:])
        squash = torch.Tensor.relu_ if relu else torch.Tensor.tanh_
        past, *states = h.unbind()
        for h_t in states:
            squash(h_t.addmm_(past, U.T))
            past = h_t
        ctx.save_for_backward(x, W, U, h)
        ctx.relu = relu
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        """∂E/∂(x, W, U, b, h_0) from ∂E/∂h_t as the layers above see it, (T, B, H)."""
        x, W, U, h = ctx.saved_tensors
        wants_x, _, _, wants_b, wants_h_0, _ = ctx.needs_input_grad
        slope = (h[1:] > 0).to(h.dtype) if ctx.relu else 1 - h[1:] ** 2
        ds = dh * slope  # right at the last step; the loop adds what comes from the future
        *earlier, ds_next = ds.unbind()
        for ds_t, slope_t in zip(reversed(earlier), reversed(slope.unbind()[:-1]), strict=True):
            ds_t.addcmul_(ds_next @ U, slope_t)
            ds_next = ds_t

        flat = ds.flatten(0, 1)  # (T·B, H)
        dU = flat.T @ h[:-1].flatten(0, 1)
        if x.dtype == torch.int64:
            dW = torch.zeros_like(W.T).index_add_(0, x.flatten(), flat).T
        else:
            dW = flat.T @ x.flatten(0, 1)
        dx = ds @ W if wants_x else None
        db = flat.sum(0) if wants_b else None
        dh_0 = ds_next @ U if wants_h_0 else None
        return dx, dW, dU, db, dh_0, None


class Layer(nn.Module):
    """One recurrent layer: the letters of the equations as parameters, drawn from U(−1/√H, 1/√H) as ``nn.RNN`` does."""

    def __init__(self, input_size: int, hidden_size: int, nonlinearity: str, bias: bool):
        super().__init__()
        bound = 1 / math.sqrt(hidden_size)
        self.W = nn.Parameter(torch.empty(hidden_size, input_size).uniform_(-bound, bound))
        self.U = nn.Parameter(torch.empty(hidden_size, hidden_size).uniform_(-bound, bound))
        self.b = nn.Parameter(torch.empty(hidden_size).uniform_(-bound, bound)) if bias else None
        self.relu = nonlinearity == "relu"

    def forward(self, x: Tensor, h_0: Tensor) -> Tensor:
        """Hidden states (T, B, H) for x (T, B, K) or token ids (T, B), and h_0 (B, H)."""
        return BPTT.apply(x, self.W, self.U, self.b, h_0, self.relu)


class VanillaRNN(nn.Module):
    """A stack of recurrent layers with hand-written BPTT; equal to ``nn.RNN`` with the same weights.

    Args:
        input_size: K.
        hidden_size: H.
        num_layers: how many layers, each reading the one below.
        dropout: the share of a layer's outputs that is dropped on the way to the next layer, while training.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        bias: whether s_t has a bias b.

    Raises:
        ValueError: a size below one, a share outside [0, 1), or another nonlinearity.
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
    ):
        super().__init__()
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(f"sizes must be at least 1, got {input_size=}, {hidden_size=}, {num_layers=}")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be tanh or relu, got '{nonlinearity}'")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, got {dropout}")
        self.hidden_size = hidden_size
        self.dropout = dropout
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers: Any = nn.ModuleList(Layer(size, hidden_size, nonlinearity, bias) for size in sizes)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Hidden states of the top layer (B, T, H), and the last state of every layer (num_layers, B, H).

        Args:
            x: reals (B, T, K), or token ids (B, T).
            state: the states before the first step (num_layers, B, H); zero if not given.
        """
        h = x.transpose(0, 1)
        if state is None:
            like = next(self.parameters())
            state = like.new_zeros(len(self.layers), x.shape[0], self.hidden_size)
        last = []
        for depth, (layer, h_0) in enumerate(zip(self.layers, state, strict=True)):
            if depth > 0:
                h = F.dropout(h, self.dropout, self.training)
            h = layer(h, h_0)
            last.append(h[-1])
        return h.transpose(0, 1), torch.stack(last)

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
