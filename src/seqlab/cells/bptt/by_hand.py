"""Backpropagation through time, by hand (Werbos 1990).

What a hidden state owes to the loss is what the readout says about it, plus what all later steps say, which arrives
through U. With ``dq`` for ∂E/∂q::

    dh_t = (from above) + Uᵀ ds_{t+1}        ds_t = (1 − h_t²) ⊙ dh_t        for ReLU ds_t = [h_t > 0] ⊙ dh_t

    ∂E/∂U = Σ_t ds_t h_{t−1}ᵀ    ∂E/∂W = Σ_t ds_t x_tᵀ    ∂E/∂b = Σ_t ds_t    ∂E/∂x_t = Wᵀ ds_t    ∂E/∂h_0 = Uᵀ ds_1

Only the first line goes step by step. All else is a product over all steps at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seqlab.nets import by_net, in_order, of_nets
from seqlab.products import fast_products


class Scans(Protocol):
    """The two loops over time."""

    def forwards(self, h: Tensor, U: Tensor, relu: bool) -> None:
        """Makes h_t in place.

        Args:
            h: (T + 1, B, H): h_0, and then W x_t + b where h_t is to be.
            U: recurrent weights (H, H).
            relu: whether the squashing is max(0, s).
        """
        ...

    def backwards(self, dh: Tensor, h: Tensor, U: Tensor, relu: bool) -> Tensor:
        """The gradients ds_t of the last L steps (L, B, H), where it is zero in all that are before.

        Args:
            dh: ∂E/∂h_t as the layers above see it, (T, B, H); or of the last step alone (B, H).
            h: h_0 … h_T (T + 1, B, H).
            U: recurrent weights (H, H).
            relu: whether the squashing was max(0, s).
        """
        ...


@dataclass
class Reach:
    """How far back the gradient of a last state came.

    Attributes:
        steps: through how many steps before it was zero, or T; ``None`` before there was one.
    """

    steps: int | None = None


class BPTT(torch.autograd.Function):
    """h_1 … h_T from x_1 … x_T and h_0, and all gradients by hand. Differentiable once."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        W: Tensor,
        U: Tensor,
        b: Tensor | None,
        h_0: Tensor,
        relu: bool,
        scans: Scans,
        reach: Reach | None,
    ) -> Tensor:
        """Hidden states (T, B, H), or where their reach is asked for, the last one alone (B, H)."""
        x, U = x.contiguous(), U.contiguous()
        h = W.new_empty(len(x) + 1, *h_0.shape)  # h[t] is h_t
        h[0] = h_0
        Wx = h[1:]
        with fast_products:
            if x.dtype == torch.int64:
                torch.index_select(_table(W), 0, _places(x, W), out=Wx.flatten(0, 1))
            elif W.dim() == 2:
                torch.mm(x.flatten(0, 1).to(W.dtype), W.T, out=Wx.flatten(0, 1))
            else:
                Wx.copy_(in_order(by_net(x, W).to(W.dtype) @ W.mT, Wx))
            if b is not None:
                of_nets(Wx, W).add_(b if W.dim() == 2 else b[:, None])
            scans.forwards(h, U, relu)
        ctx.save_for_backward(x, W, U, h)
        ctx.relu, ctx.scans, ctx.reach = relu, scans, reach
        return h[-1] if reach else h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor | None, ...]:
        """∂E/∂(x, W, U, b, h_0) from ∂E/∂h_t as the layers above see it."""
        x, W, U, h = ctx.saved_tensors
        wants_x, wants_W, _, wants_b, wants_h_0, *_ = ctx.needs_input_grad
        T = len(x)
        with fast_products:
            ds = ctx.scans.backwards(dh, h, U, ctx.relu)
            if ctx.reach:
                ctx.reach.steps = len(ds)
            live = slice(T - len(ds), T)
            flat = by_net(ds, U)
            dU = flat.mT @ by_net(h[live], U)
            if not wants_W:
                dW = None
            elif x.dtype == torch.int64:
                dW = torch.zeros_like(_table(W)).index_add_(0, _places(x[live], W), ds.flatten(0, 1))
                dW = dW.view(W.mT.shape).mT
            else:
                dW = (by_net(x[live], W).to(W.dtype).mT @ flat).mT
            dx = dh_0 = None
            if wants_x:
                dx = in_order(flat @ W, ds)
                dx = dx if len(ds) == T else F.pad(dx, (0, 0, 0, 0, T - len(ds), 0))
            if wants_h_0:
                dh_0 = in_order(of_nets(ds[0], U) @ U, ds[0]) if len(ds) == T else torch.zeros_like(h[0])
        db = flat.sum(-2) if wants_b else None
        return dx, dW, dU, db, dh_0, None, None, None


def _table(W: Tensor) -> Tensor:
    """The columns of W as rows, those of one net below those of another (R K, H)."""
    return W.mT.flatten(0, -2)


def _places(x: Tensor, W: Tensor) -> Tensor:
    """Where in the table the tokens (T, B) are, one after the other."""
    if W.dim() == 2:
        return x.flatten()
    R, _, K = W.shape
    return (x.unflatten(1, (R, -1)) + K * torch.arange(R, device=x.device)[:, None]).flatten()
